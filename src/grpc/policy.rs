//! Who may do what: one table, deny by default. Role first; `O` then asks for ownership; the state is the room's matter.

use tonic::Status;

use super::caller::Caller;
use super::status;
use crate::kernel::{Owners, Role};

/// What a role may do with an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Nothing.
    Deny,
    /// On what is their own.
    Own,
    /// On everything.
    Any,
}

/// One row: an action, named `<service>.<Method>`, and what each role may, in the order of [`Role::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// `<service>.<Method>`.
    pub name: &'static str,
    /// By role.
    pub grants: [Grant; 7],
}

const fn row(name: &'static str, grants: [Grant; 7]) -> Action {
    Action { name, grants }
}

const N: Grant = Grant::Deny;
const O: Grant = Grant::Own;
const A: Grant = Grant::Any;

/// Every method but those of [`PUBLIC`]. No token carries SYSTEM: the processes do not come through the network.
#[rustfmt::skip]
pub const ACTIONS: &[Action] = &[
    //                                           STUDENT EMPLOYER ADMIN AUDITOR PARTNER IMPORT SYSTEM
    row("applications.SubmitApplication",       [O, N, N, N, N, A, N]),
    row("applications.ShortlistApplication",    [N, O, N, N, N, A, N]),
    row("applications.ScheduleInterview",       [N, O, N, N, N, A, N]),
    row("applications.CompleteInterview",       [N, O, N, N, N, A, N]),
    row("applications.MakeOffer",               [N, O, N, N, N, A, N]),
    row("applications.AcceptOffer",             [O, N, N, N, N, A, N]),
    row("applications.DeclineOffer",            [O, N, N, N, N, A, N]),
    row("applications.WithdrawApplication",     [O, N, N, N, N, A, N]),
    row("applications.RejectApplication",       [N, O, A, N, N, A, N]),
    row("placements.HoldPlacement",             [N, O, A, N, N, A, N]),
    row("placements.ResumePlacement",           [N, O, A, N, N, A, N]),
    row("placements.TerminatePlacement",        [N, O, A, N, N, A, N]),
    row("placements.GetCompletionReadiness",    [O, O, A, A, N, A, N]),
    row("attendance.ClockIn",                   [O, N, N, N, N, A, N]),
    row("attendance.ClockOut",                  [O, N, N, N, N, A, N]),
    row("attendance.RecordAbsence",             [O, O, A, N, N, A, N]),
    row("attendance.CorrectAttendance",         [N, N, A, N, N, A, N]),
    row("tasks.AssignTask",                     [N, O, N, N, N, A, N]),
    row("tasks.SubmitWork",                     [O, N, N, N, N, A, N]),
    row("tasks.ReviewSubmission",               [N, O, N, N, N, A, N]),
    row("evaluations.RecordEvaluation",         [N, O, N, N, N, A, N]),
    row("certificates.DelegateIssuing",         [N, N, A, N, N, A, N]),
    row("certificates.WithdrawDelegation",      [N, N, A, N, N, A, N]),
    row("certificates.IssueCertificate",        [N, N, A, N, O, A, N]),
    row("certificates.ReissueCertificate",      [N, N, A, N, O, A, N]),
    row("certificates.RevokeCertificate",       [N, N, A, N, N, A, N]),
    row("certificates.ReplaceCertificate",      [N, N, A, N, N, A, N]),
    row("audit.ListEvents",                     [N, N, N, A, N, N, N]),
    row("audit.GetHistory",                     [N, N, N, A, N, N, N]),
    row("audit.GetStateAsOf",                   [N, N, N, A, N, N, N]),
    row("readmodels.GetStudentDashboard",       [O, N, A, A, N, N, N]),
    row("readmodels.GetEmployerOverview",       [N, O, A, A, N, N, N]),
    row("readmodels.GetAdminReport",            [N, N, A, A, N, N, N]),
    row("readmodels.QueryReadModel",            [N, N, A, A, N, N, N]),
    row("readmodels.ListReadModels",            [N, N, A, A, N, N, N]),
    row("operations.AwaitProcesses",            [A, A, A, A, A, A, N]),
    row("operations.ListProjections",           [N, N, A, A, N, N, N]),
    row("operations.RebuildProjection",         [N, N, A, N, N, N, N]),
    row("operations.GetOperation",              [N, N, A, A, N, N, N]),
    row("operations.ListProcesses",             [N, N, A, A, N, N, N]),
    row("operations.ListParkedEvents",          [N, N, A, A, N, N, N]),
    row("operations.RetryParkedEvent",          [N, N, A, N, N, N, N]),
    row("operations.SkipParkedEvent",           [N, N, A, N, N, N, N]),
    row("operations.GetHealthDetails",          [N, N, A, A, N, N, N]),
];

/// The methods that need no token, by their gRPC path.
pub const PUBLIC: &[&str] = &[
    "/annals.certificates.v1.CertificatesService/VerifyCertificate",
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// What `role` may do with `action`; nothing where the table has no such row.
#[must_use]
pub fn grant(action: &str, role: Role) -> Grant {
    let column = Role::ALL.iter().position(|candidate| *candidate == role);
    ACTIONS
        .iter()
        .find(|row| row.name == action)
        .and_then(|row| row.grants.get(column?).copied())
        .unwrap_or(Grant::Deny)
}

/// The caller's grant for `action`.
///
/// # Errors
/// `PERMISSION_DENIED` where it is [`Grant::Deny`].
pub fn authorise(action: &str, caller: Caller) -> Result<Grant, Status> {
    match grant(action, caller.actor.role) {
        Grant::Deny => Err(status::forbidden()),
        granted @ (Grant::Own | Grant::Any) => Ok(granted),
    }
}

/// For a read of something that belongs to `owners`.
///
/// # Errors
/// `PERMISSION_DENIED` where the role may not, or only on their own and it is not.
pub fn authorise_own(action: &str, caller: Caller, owners: &Owners) -> Result<(), Status> {
    match authorise(action, caller)? {
        Grant::Any => Ok(()),
        Grant::Own if owners.includes(caller.actor.role, caller.actor.id) => Ok(()),
        Grant::Own | Grant::Deny => Err(status::forbidden()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_row_or_is_public() {
        let pool = prost_reflect::DescriptorPool::decode(crate::proto::DESCRIPTORS).unwrap();
        let methods: Vec<String> = pool
            .services()
            .filter(|service| service.full_name().starts_with("annals."))
            .flat_map(|service| {
                let area = service.full_name().split('.').nth(1).unwrap().to_owned();
                let path = service.full_name().to_owned();
                service
                    .methods()
                    .filter(|method| {
                        !PUBLIC.contains(&format!("/{path}/{}", method.name()).as_str())
                    })
                    .map(|method| format!("{area}.{}", method.name()))
                    .collect::<Vec<_>>()
            })
            .collect();
        for method in &methods {
            assert_eq!(
                ACTIONS.iter().filter(|row| row.name == method).count(),
                1,
                "{method}"
            );
        }
        assert_eq!(methods.len(), ACTIONS.len(), "a row names no method");
    }

    #[test]
    fn what_is_not_in_the_table_is_denied() {
        for role in Role::ALL {
            assert_eq!(grant("placements.ForceCompletion", role), Grant::Deny);
        }
    }

    #[test]
    fn no_row_grants_the_system_role() {
        for row in ACTIONS {
            assert_eq!(grant(row.name, Role::System), Grant::Deny, "{}", row.name);
        }
    }
}
