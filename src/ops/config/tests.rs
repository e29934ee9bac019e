//! Guards against settings that are silently ignored, silently clamped, or shown otherwise than they act.

use super::*;

fn from_file(content: &str) -> Result<Resolved, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("annals.toml");
    std::fs::write(&file, content).unwrap();
    Layers {
        file: Some(file),
        ..Layers::default()
    }
    .resolve()
}

#[test]
fn every_default_is_within_its_own_limit_and_every_key_is_a_section_and_a_name() {
    for setting in SETTINGS {
        assert!(setting.read(setting.default).is_ok(), "{}", setting.key);
        assert_eq!(setting.key.split('.').count(), 2, "{}", setting.key);
    }
    let mut keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
    keys.dedup();
    assert_eq!(keys.len(), SETTINGS.len());
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("annals.toml");
    std::fs::write(
        &file,
        "[limits]\npage_size = 10\nmessage_bytes = 2048\n[auth]\nissuer = \"file\"",
    )
    .unwrap();
    let mut layers = Layers {
        file: Some(file),
        environment: vec![
            ("ANNALS_LIMITS_PAGE_SIZE".into(), "20".into()),
            ("ANNALS_AUTH_ISSUER".into(), "environment".into()),
            ("ANNALS_TOKEN".into(), "not a setting".into()),
            ("HOME".into(), "/root".into()),
        ],
        flags: Vec::new(),
    };
    layers.assign("limits.page_size=30").unwrap();
    let config = Config::load(&layers).unwrap();
    assert_eq!(config.limits.page_size, 30);
    assert_eq!(config.auth.issuer, "environment");
    assert_eq!(config.limits.message_bytes, 2048);
}

#[test]
fn an_unknown_key_is_refused_by_name_wherever_it_was_written() {
    let in_file = from_file("[limits]\npage_sise = 10")
        .unwrap_err()
        .to_string();
    assert!(
        in_file.contains("limits.page_sise") && in_file.contains("annals.toml"),
        "{in_file}"
    );
    let layers = Layers {
        environment: vec![("ANNALS_PAGE_SIZE".into(), "1".into())],
        ..Layers::default()
    };
    let in_environment = layers.resolve().unwrap_err().to_string();
    assert!(
        in_environment.contains("ANNALS_PAGE_SIZE"),
        "{in_environment}"
    );
    let mut layers = Layers::default();
    layers.assign("drain_timeout=1").unwrap();
    let in_flag = layers.resolve().unwrap_err().to_string();
    assert!(
        in_flag.contains("did you mean server.drain_timeout?"),
        "{in_flag}"
    );
}

#[test]
fn a_value_outside_its_limit_is_refused_with_the_limit_and_where_it_came_from() {
    for (assignment, limit) in [
        ("limits.page_size=1001", "1 to 1000"),
        ("limits.page_size=0", "1 to 1000"),
        ("limits.page_size=-1", "1 to 1000"),
        ("server.listen=localhost", "an IP address and a port"),
        ("telemetry.level=loud", "one of error, warn"),
        ("auth.issuer=", "text of 1 to 200"),
        ("data.dir=", "a path"),
    ] {
        let mut layers = Layers::default();
        layers.assign(assignment).unwrap();
        let error = layers.resolve().unwrap_err().to_string();
        assert!(
            error.contains(limit) && error.contains("flag --set"),
            "{error}"
        );
    }
    assert!(from_file("[limits]\npage_size = \"many\"").is_err());
    assert!(from_file("[limits]\npage_size = 1.5").is_err());
    assert!(from_file("limits = 3").is_err());
    assert!(from_file("[limits").is_err());
}

#[test]
fn half_a_tls_configuration_and_a_default_deadline_beyond_the_longest_are_refused() {
    let mut layers = Layers::default();
    layers.assign("server.tls_cert=cert.pem").unwrap();
    let error = Config::load(&layers).unwrap_err().to_string();
    assert!(error.contains("server.tls_key"), "{error}");
    let mut layers = Layers::default();
    layers.assign("limits.max_deadline=100").unwrap();
    assert!(Config::load(&layers).is_err());
}

#[test]
fn every_setting_of_the_table_reaches_the_typed_configuration() {
    // A value that differs from the default must change the typed configuration; else nobody reads the key.
    let plain = format!("{:?}", Config::load(&Layers::default()).unwrap());
    for setting in SETTINGS {
        let mut layers = Layers::default();
        let other = match setting.kind {
            Kind::Whole { min, max, .. } if setting.default == max.to_string() => min.to_string(),
            Kind::Whole { max, .. } => max.to_string(),
            Kind::Path | Kind::Text(_) => "other".to_owned(),
            Kind::Address => "127.0.0.2:1".to_owned(),
            Kind::OneOf(words) => words.last().unwrap().to_string(),
            Kind::Log => "esdb://other".to_owned(),
        };
        layers.assign(&format!("{}={other}", setting.key)).unwrap();
        let typed = match Config::load(&layers) {
            Ok(typed) => format!("{typed:?}"),
            Err(ConfigError::Contradiction(_)) => continue,
            Err(other) => panic!("{other}"),
        };
        assert_ne!(typed, plain, "{} changes nothing", setting.key);
    }
}

#[test]
fn what_is_shown_is_a_configuration_file_that_means_the_same() {
    let mut layers = Layers::default();
    layers.assign("limits.page_size=7").unwrap();
    layers.assign("auth.issuer=a \"quoted\" name").unwrap();
    let resolved = layers.resolve().unwrap();
    let again = from_file(&as_text(&resolved)).unwrap();
    for ((setting, value, _), (_, other, _)) in resolved.rows().zip(again.rows()) {
        assert_eq!(value, other, "{}", setting.key);
    }
}

#[test]
fn a_service_is_where_its_own_setting_says_and_else_where_the_common_one_does() {
    let mut layers = Layers::default();
    layers
        .assign("log.url=esdb://admin:secret@a,b?tls=true")
        .unwrap();
    layers.assign("log.audit_url=embedded").unwrap();
    let resolved = layers.resolve().unwrap();
    let config = Config::typed(&resolved).unwrap();
    assert_eq!(*config.log.of("audit"), LogPlace::Embedded);
    let shared = LogPlace::Esdb("esdb://admin:secret@a,b?tls=true".to_owned());
    assert_eq!(*config.log.of("tasks"), shared);
    assert_eq!(config.log.setting_of("audit"), "log.audit_url");
    assert_eq!(config.log.setting_of("tasks"), "log.url");
    for shown in [
        as_text(&resolved),
        as_json(&resolved).to_string(),
        format!("{config:?}"),
    ] {
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("esdb://a,b?tls=true"), "{shown}");
    }
    let mut layers = Layers::default();
    layers.assign("log.url=postgres://x").unwrap();
    let error = layers.resolve().unwrap_err().to_string();
    assert!(error.contains("esdb://host:2113"), "{error}");
}
