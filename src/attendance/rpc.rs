//! `annals.attendance.v1.AttendanceService`: requests as commands.

use tonic::{Request, Response, Status, async_trait};

use super::decide::Command;
use super::state::Register;
use crate::command_requests;
use crate::grpc::Desk;
use crate::proto::annals::attendance::v1::attendance_service_server::AttendanceService;
use crate::proto::annals::attendance::v1::{
    ClockInRequest, ClockOutRequest, CorrectAttendanceRequest, RecordAbsenceRequest,
};
use crate::proto::annals::common::v1::CommandReply;

command_requests!(
    ClockInRequest,
    ClockOutRequest,
    RecordAbsenceRequest,
    CorrectAttendanceRequest
);

/// The attendance service.
pub struct Attendance {
    desk: Desk<Register>,
}

impl Attendance {
    /// Serves the registers behind `desk`.
    #[must_use]
    pub const fn new(desk: Desk<Register>) -> Self {
        Self { desk }
    }
}

#[async_trait]
impl AttendanceService for Attendance {
    async fn clock_in(
        &self,
        request: Request<ClockInRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("attendance.ClockIn", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let date = fields.date("date", &m.date);
                (placement, Command::ClockIn { date })
            })
            .await
    }

    async fn clock_out(
        &self,
        request: Request<ClockOutRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("attendance.ClockOut", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let date = fields.date("date", &m.date);
                (placement, Command::ClockOut { date })
            })
            .await
    }

    async fn record_absence(
        &self,
        request: Request<RecordAbsenceRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("attendance.RecordAbsence", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let date = fields.date("date", &m.date);
                fields.reason("reason", &m.reason);
                (placement, Command::RecordAbsence { date })
            })
            .await
    }

    async fn correct_attendance(
        &self,
        request: Request<CorrectAttendanceRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("attendance.CorrectAttendance", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let date = fields.date("date", &m.date);
                fields.reason("reason", &m.reason);
                let present = m.present;
                (placement, Command::CorrectAttendance { date, present })
            })
            .await
    }
}
