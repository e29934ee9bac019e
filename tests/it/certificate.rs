//! The life of a certificate as anybody sees it who was shown its code. Guards against a certificate that verifies after
//! its revocation, one that gets a second code from a retry, and guessing without end.

use std::time::Duration;

use annals::kernel::Role;
use annals::proto::annals::certificates::v1::certificates_service_client::CertificatesServiceClient;
use annals::proto::annals::certificates::v1::{
    CertificateStatus, IssueCertificateRequest, ReissueCertificateRequest,
    ReplaceCertificateRequest, RevokeCertificateRequest, VerifyCertificateRequest,
    VerifyCertificateResponse,
};
use annals::proto::annals::readmodels::v1::QueryReadModelRequest;
use annals::proto::annals::readmodels::v1::read_models_service_client::ReadModelsServiceClient;
use prost_types::value::Kind;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::journey::id;
use crate::support::server::Authenticated;
use crate::world::{World, reason};

type Client = CertificatesServiceClient<Authenticated>;

fn issue(world: &World) -> IssueCertificateRequest {
    IssueCertificateRequest {
        request_id: world.journey.request("issue"),
        placement_id: world.journey.placement.to_string(),
        certificate_id: id("certificate").to_string(),
        issuer_name: "Annals Institute".to_owned(),
        ..Default::default()
    }
}

async fn revoke(client: &mut Client, world: &World) -> String {
    let revoked = client
        .revoke_certificate(RevokeCertificateRequest {
            request_id: world.journey.request("revoke"),
            placement_id: world.journey.placement.to_string(),
            certificate_id: id("certificate").to_string(),
            reason: "a misspelt name".to_owned(),
            ..Default::default()
        })
        .await
        .unwrap();
    revoked.into_inner().consistency_token
}

async fn replace(client: &mut Client, world: &World) -> String {
    let replaced = client
        .replace_certificate(ReplaceCertificateRequest {
            request_id: world.journey.request("replace"),
            placement_id: world.journey.placement.to_string(),
            certificate_id: id("replacement").to_string(),
            revoked_certificate_id: id("certificate").to_string(),
            issuer_name: "Annals Institute".to_owned(),
            reason: "the name as it is spelt".to_owned(),
            ..Default::default()
        })
        .await
        .unwrap();
    replaced.into_inner().consistency_token
}

/// The codes of the placement's certificates, oldest first, once the register has seen `token`.
async fn codes(world: &World, token: &str) -> Vec<String> {
    let auditor = world.caller(Role::Auditor, id("auditor"));
    let answer = ReadModelsServiceClient::new(auditor)
        .query_read_model(QueryReadModelRequest {
            model: "certificate_register".to_owned(),
            query: "by_placement".to_owned(),
            parameters: Some(prost_types::Struct {
                fields: [(
                    "placement_id".to_owned(),
                    Kind::StringValue(world.journey.placement.to_string()).into(),
                )]
                .into(),
            }),
            consistency_token: token.to_owned(),
            ..Default::default()
        })
        .await
        .unwrap();
    let rows = answer.into_inner().rows;
    rows.iter()
        .map(
            |row| match row.fields.get("code").and_then(|value| value.kind.clone()) {
                Some(Kind::StringValue(code)) => code,
                other => panic!("{other:?}"),
            },
        )
        .collect()
}

async fn verify(world: &World, code: &str) -> Result<VerifyCertificateResponse, Status> {
    let mut anybody: CertificatesServiceClient<Channel> =
        CertificatesServiceClient::new(world.channel.clone());
    let request = VerifyCertificateRequest {
        code: code.to_owned(),
    };
    anybody
        .verify_certificate(request)
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_certificate_verifies_by_its_code_until_it_is_revoked_and_then_points_no_further() {
    life(World::make().await).await;
}

/// Everything that happens to a certificate, and what anybody sees of it.
pub async fn life(world: World) {
    let mut admin = CertificatesServiceClient::new(world.caller(Role::Admin, id("admin")));
    let mut partner = CertificatesServiceClient::new(world.caller(Role::Partner, world.partner));

    let first = partner
        .issue_certificate(issue(&world))
        .await
        .unwrap()
        .into_inner();
    let retry = partner
        .issue_certificate(issue(&world))
        .await
        .unwrap()
        .into_inner();
    assert!(retry.repeated);
    assert_eq!(
        (retry.revision, &retry.events),
        (first.revision, &first.events)
    );
    let issued = codes(&world, &first.consistency_token).await;
    assert_eq!(issued.len(), 1, "a retry draws no second code");

    let shown = verify(&world, &issued[0]).await.unwrap();
    assert_eq!(shown.status(), CertificateStatus::Valid);
    assert_eq!(shown.holder_name, "Ada Example");
    assert_eq!(shown.issuer_name, "Annals Institute");
    assert_eq!(shown.start_date, "2024-01-01");
    let typed = issued[0].to_lowercase().replace('-', " ");
    assert_eq!(verify(&world, &typed).await.unwrap(), shown);

    admin
        .reissue_certificate(ReissueCertificateRequest {
            request_id: world.journey.request("reissue"),
            placement_id: world.journey.placement.to_string(),
            certificate_id: id("certificate").to_string(),
            wording: "With the new emblem".to_owned(),
            reason: "rebranding".to_owned(),
            ..Default::default()
        })
        .await
        .unwrap();
    let token = revoke(&mut admin, &world).await;
    assert_eq!(
        codes(&world, &token).await,
        issued,
        "a reissue keeps the code"
    );
    let shown = verify(&world, &issued[0]).await.unwrap();
    assert_eq!(shown.status(), CertificateStatus::Revoked);

    let token = replace(&mut admin, &world).await;
    let all = codes(&world, &token).await;
    assert_eq!(all.len(), 2);
    let new = all.iter().find(|code| **code != issued[0]).unwrap();
    let old = verify(&world, &issued[0]).await.unwrap();
    assert_eq!(old.status(), CertificateStatus::Replaced);
    assert_eq!(
        verify(&world, new).await.unwrap().status(),
        CertificateStatus::Valid
    );
    world.stop().await;
}

#[tokio::test]
async fn a_code_that_nobody_was_given_is_unknown_and_guessing_has_an_end() {
    let world = World::with("limits.verifications=5").await;
    for code in [
        "7ZQ4-K9TD-2M8X-HW3R-VB6N-C1YJ-PS",
        "",
        "nonsense",
        "' OR 1=1 --",
        "%",
    ] {
        let status = verify(&world, code).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::NotFound, "CERTIFICATE_UNKNOWN".to_owned())
        );
    }
    let status = verify(&world, "7ZQ4-K9TD-2M8X-HW3R-VB6N-C1YJ-PS")
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::ResourceExhausted, "OVERLOADED".to_owned())
    );
    let wait = status
        .get_details_retry_info()
        .unwrap()
        .retry_delay
        .unwrap();
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_mins(1),
        "{wait:?}"
    );
    world.stop().await;
}

/// The code in the log's last event, before any read model has it.
#[cfg(feature = "failpoints")]
fn code_in_log(world: &World) -> String {
    let log = world.config.data.join("certificates/log.db");
    let log = rusqlite::Connection::open(log).unwrap();
    let last = "SELECT data FROM events ORDER BY position DESC LIMIT 1";
    let data: Vec<u8> = log.query_row(last, [], |row| row.get(0)).unwrap();
    let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
    data["code"].as_str().unwrap().to_owned()
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_verification_is_right_while_the_register_is_behind() {
    const POINT: &str = "projection::before_apply";
    let world = World::make().await;
    let mut admin = CertificatesServiceClient::new(world.caller(Role::Admin, id("admin")));
    let mut partner = CertificatesServiceClient::new(world.caller(Role::Partner, world.partner));

    fail::cfg(POINT, "pause").unwrap();
    partner.issue_certificate(issue(&world)).await.unwrap();
    let code = code_in_log(&world);
    let status = verify(&world, &code).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::Unavailable, "READ_MODEL_LAGGING".to_owned()),
        "nobody may be told that a certificate does not exist which does"
    );
    fail::remove(POINT);
    let shown = loop {
        match verify(&world, &code).await {
            Err(status) if status.code() == Code::Unavailable => {}
            told => break told.unwrap(),
        }
    };
    assert_eq!(shown.status(), CertificateStatus::Valid);

    fail::cfg(POINT, "pause").unwrap();
    revoke(&mut admin, &world).await;
    let shown = verify(&world, &code).await.unwrap();
    assert_eq!(shown.status(), CertificateStatus::Revoked);
    replace(&mut admin, &world).await;
    let shown = verify(&world, &code).await.unwrap();
    assert_eq!(shown.status(), CertificateStatus::Replaced);
    fail::remove(POINT);
    world.stop().await;
}
