//! Every cell of the policy table, over the real services. Guards against a method that somebody can call who must not,
//! and against one that its rightful callers cannot.

use annals::grpc::PUBLIC;
use annals::kernel::Role;
use annals::ops::client::Methods;
use tonic::{Code, Status};

use crate::support::journey::id;
use crate::world::{World, action, code, methods, reason};

/// What is meant, written down a second time: a slip in the table that the server uses is a difference to this one.
/// `A`: on everything. `O`: on their own. `-`: not at all. No token carries SYSTEM.
const MEANT: &str = "
                                       STUDENT EMPLOYER ADMIN AUDITOR PARTNER IMPORT SYSTEM
    applications.SubmitApplication        O       -       -      -       -       A     -
    applications.ShortlistApplication     -       O       -      -       -       A     -
    applications.ScheduleInterview        -       O       -      -       -       A     -
    applications.CompleteInterview        -       O       -      -       -       A     -
    applications.MakeOffer                -       O       -      -       -       A     -
    applications.AcceptOffer              O       -       -      -       -       A     -
    applications.DeclineOffer             O       -       -      -       -       A     -
    applications.WithdrawApplication      O       -       -      -       -       A     -
    applications.RejectApplication        -       O       A      -       -       A     -
    placements.HoldPlacement              -       O       A      -       -       A     -
    placements.ResumePlacement            -       O       A      -       -       A     -
    placements.TerminatePlacement         -       O       A      -       -       A     -
    placements.GetCompletionReadiness     O       O       A      A       -       A     -
    attendance.ClockIn                    O       -       -      -       -       A     -
    attendance.ClockOut                   O       -       -      -       -       A     -
    attendance.RecordAbsence              O       O       A      -       -       A     -
    attendance.CorrectAttendance          -       -       A      -       -       A     -
    tasks.AssignTask                      -       O       -      -       -       A     -
    tasks.SubmitWork                      O       -       -      -       -       A     -
    tasks.ReviewSubmission                -       O       -      -       -       A     -
    evaluations.RecordEvaluation          -       O       -      -       -       A     -
    certificates.DelegateIssuing          -       -       A      -       -       A     -
    certificates.WithdrawDelegation       -       -       A      -       -       A     -
    certificates.IssueCertificate         -       -       A      -       O       A     -
    certificates.ReissueCertificate       -       -       A      -       O       A     -
    certificates.RevokeCertificate        -       -       A      -       -       A     -
    certificates.ReplaceCertificate       -       -       A      -       -       A     -
    audit.ListEvents                      -       -       -      A       -       -     -
    audit.GetHistory                      -       -       -      A       -       -     -
    audit.GetStateAsOf                    -       -       -      A       -       -     -
    readmodels.GetStudentDashboard        O       -       A      A       -       -     -
    readmodels.GetEmployerOverview        -       O       A      A       -       -     -
    readmodels.GetAdminReport             -       -       A      A       -       -     -
    readmodels.QueryReadModel             -       -       A      A       -       -     -
    readmodels.ListReadModels             -       -       A      A       -       -     -
    operations.AwaitProcesses             A       A       A      A       A       A     -
    operations.ListProjections            -       -       A      A       -       -     -
    operations.RebuildProjection          -       -       A      -       -       -     -
    operations.GetOperation               -       -       A      A       -       -     -
    operations.ListProcesses              -       -       A      A       -       -     -
    operations.ListParkedEvents           -       -       A      A       -       -     -
    operations.RetryParkedEvent           -       -       A      -       -       -     -
    operations.SkipParkedEvent            -       -       A      -       -       -     -
    operations.GetHealthDetails           -       -       A      A       -       -     -
";

/// (action, role, what is meant), cell by cell.
fn cells() -> Vec<(&'static str, Role, &'static str)> {
    let rows = MEANT.lines().filter(|line| line.contains('.'));
    rows.flat_map(|row| {
        let mut words = row.split_whitespace();
        let action = words.next().unwrap();
        let grants: Vec<_> = words.collect();
        assert_eq!(grants.len(), Role::ALL.len(), "{row}");
        Role::ALL
            .into_iter()
            .zip(grants)
            .map(move |(role, meant)| (action, role, meant))
    })
    .collect()
}

fn is_forbidden(status: &Status) -> bool {
    status.code() == Code::PermissionDenied && reason(status) == "PERMISSION"
}

/// Calls as the subject `subject` and says whether the door was open: what the room then answers is the room's matter.
async fn may(world: &World, action: &str, role: Role, subject: uuid::Uuid) -> Result<bool, String> {
    let method = Methods::load().unwrap().find(action).unwrap();
    let token = world.mint(role, subject);
    let outcome = world
        .call(&method, world.request(&method), Some(&token))
        .await;
    match &outcome {
        Err(status) if is_forbidden(status) => Ok(false),
        Err(status) if status.code() == Code::Unauthenticated && role == Role::System => Ok(false),
        Err(status)
            if matches!(
                status.code(),
                Code::Unauthenticated
                    | Code::Unimplemented
                    | Code::Internal
                    | Code::InvalidArgument
            ) =>
        {
            Err(format!("{action} as {role:?} answers {status:?}"))
        }
        Ok(_) | Err(_) => Ok(true),
    }
}

#[test]
fn every_method_that_is_not_public_is_meant_for_somebody() {
    let table = cells();
    for method in methods() {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let rows = table
            .iter()
            .filter(|(name, ..)| *name == action(&method))
            .count();
        let meant = if PUBLIC.contains(&path.as_str()) {
            0
        } else {
            Role::ALL.len()
        };
        assert_eq!(rows, meant, "{path}");
    }
}

#[tokio::test]
async fn every_cell_of_the_policy_table_is_as_meant() {
    let world = World::make().await;
    let mut wrong = Vec::new();
    let mut check =
        |action: &str, role: Role, who: &str, found: Result<bool, String>, meant: bool| match found
        {
            Ok(open) if open == meant => {}
            Ok(open) => wrong.push(format!(
                "{action} for {who} {role:?}: open {open}, meant {meant}"
            )),
            Err(failed) => wrong.push(failed),
        };
    let (denied, granted): (Vec<_>, Vec<_>) = cells().into_iter().partition(|cell| cell.2 == "-");

    let before = world.heads();
    for (action, role, _) in denied {
        // Even on what is their own.
        let found = may(&world, action, role, world.owner(role)).await;
        check(action, role, "own", found, false);
    }
    for (action, role, _) in granted.iter().filter(|cell| cell.2 == "O") {
        let found = may(&world, action, *role, id("stranger")).await;
        check(action, *role, "another", found, false);
    }
    assert_eq!(world.heads(), before, "a refused call wrote something");

    for (action, role, meant) in granted {
        let subject = if meant == "O" {
            world.owner(role)
        } else {
            id("stranger")
        };
        let found = may(&world, action, role, subject).await;
        check(action, role, "granted", found, true);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.stop().await;
}

#[tokio::test]
async fn who_shows_no_token_may_only_verify_and_ask_for_health() {
    let world = World::make().await;
    for method in methods() {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let outcome = world.call(&method, world.request(&method), None).await;
        let open = code(&outcome) != Code::Unauthenticated;
        assert_eq!(open, PUBLIC.contains(&path.as_str()), "{path}: {outcome:?}");
    }
    world.stop().await;
}
