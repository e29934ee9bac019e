//! Whatever is asked, at most one certificate of a placement holds.

use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = Command> {
    (0..5_u128, 0..5_u128, 0..8_u8).prop_map(|(a, b, kind)| match kind {
        0 => establish(),
        1 => issue(a),
        2 => reissue(a),
        3 | 4 => revoke(a),
        5 => Command::DelegateIssuing {
            partner_id: PARTNER,
        },
        _ => replace(a, b),
    })
}

proptest! {
    /// Guards against two certificates of one placement that both hold.
    #[test]
    fn at_most_one_certificate_of_a_placement_holds_and_none_comes_back(
        commands in prop::collection::vec(any_command(), 1..60)
    ) {
        let mut certification = Certification::default();
        certification.evolve(&eligible());
        let mut dead = std::collections::BTreeSet::new();
        for command in commands {
            for event in certification.decide(&command, &admin()).unwrap_or_default() {
                certification.evolve(&event);
            }
            let (gone, standing): (Vec<_>, Vec<_>) =
                certification.certificates.iter().partition(|known| known.revoked);
            prop_assert!(standing.len() <= 1);
            dead.extend(gone.iter().map(|known| known.certificate_id));
            prop_assert!(standing.iter().all(|known| !dead.contains(&known.certificate_id)));
            let ids: std::collections::BTreeSet<_> =
                certification.certificates.iter().map(|known| known.certificate_id).collect();
            prop_assert_eq!(ids.len(), certification.certificates.len());
        }
    }
}
