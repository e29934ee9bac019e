//! Where a certificate is found by its code: a read model, which may be a moment behind the log.

use std::time::Duration;

use tonic::{Code, Status, async_trait};
use uuid::Uuid;

use crate::grpc::with_reason;
use crate::kernel::{ConsistencyToken, Position};
use crate::projection::{Reads, Row, status};

/// The read model of every certificate.
const REGISTER: &str = "certificate_register";
/// How long somebody who asks for an unknown code waits for the register at most. It is rarely behind by a tenth of this.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where certificates are looked up: a read model, since the code does not tell the placement.
#[async_trait]
pub trait CertificateRegister: Send + Sync + 'static {
    /// The certificate of that code (its key: `VerificationCode::key`).
    ///
    /// # Errors
    /// Where the read model cannot answer.
    async fn by_code(&self, key: &str) -> Result<Option<Found>, Status>;

    /// Waits until the register shows what was written before `head`.
    ///
    /// # Errors
    /// Where it does not get there in time.
    async fn reach(&self, head: Position) -> Result<(), Status>;
}

#[async_trait]
impl CertificateRegister for Reads {
    async fn by_code(&self, key: &str) -> Result<Option<Found>, Status> {
        let of = [("code", key.into())];
        let rows = self.all(REGISTER, "by_code", &of).await?;
        rows.first().map(found).transpose()
    }

    async fn reach(&self, head: Position) -> Result<(), Status> {
        let token = ConsistencyToken::new("certificates", head);
        let waited = self
            .projections()
            .wait_for(REGISTER, &token, PATIENCE)
            .await;
        waited.map_err(|error| status(&error))
    }
}

/// What the register knows of a certificate; whether it still holds is asked of its stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Whose certification it belongs to.
    pub placement_id: Uuid,
    /// Its id.
    pub certificate_id: Uuid,
    /// The holder's name.
    pub holder_name: String,
    /// The internship's title.
    pub internship_title: String,
    /// The employer's name.
    pub employer_name: String,
    /// First day, `YYYY-MM-DD`.
    pub start_date: String,
    /// Last day, `YYYY-MM-DD`.
    pub end_date: String,
    /// Who attests.
    pub issuer_name: String,
}

fn found(row: &Row) -> Result<Found, Status> {
    let id = |column| {
        let text = row.text(column);
        Uuid::try_parse(&text).map_err(|error| {
            tracing::error!(column, text, %error, "certificate_register has an id that is none");
            Status::internal("the certificate cannot be read")
        })
    };
    Ok(Found {
        placement_id: id("placement_id")?,
        certificate_id: id("certificate_id")?,
        holder_name: row.text("holder_name"),
        internship_title: row.text("internship_title"),
        employer_name: row.text("employer_name"),
        start_date: row.text("start_date"),
        end_date: row.text("end_date"),
        issuer_name: row.text("issuer_name"),
    })
}

/// The same answer for every code that is no certificate's.
pub(super) fn unknown() -> Status {
    with_reason(
        Code::NotFound,
        "CERTIFICATE_UNKNOWN",
        "no certificate has this code",
        "check the code as it is printed on the certificate",
    )
}
