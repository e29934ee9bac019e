//! What a register can be asked, and when it says no.

use uuid::Uuid;

use super::events::{AbsenceCause, Event};
use super::gaps::Gap;
use super::refused::Refused;
use super::state::{Mark, Phase, Register};
use crate::kernel::{Aggregate, Context, Date, Owners, PlacementIds};

/// What a register can be asked.
#[derive(Debug, Clone)]
pub enum Command {
    /// The placement started.
    OpenRegister {
        /// Whose.
        ids: PlacementIds,
        /// Whose internship it is.
        employer_id: Uuid,
        /// The first day that can be recorded.
        start_date: Date,
    },
    /// The student is there.
    ClockIn {
        /// On this day.
        date: Date,
    },
    /// The student leaves.
    ClockOut {
        /// On this day.
        date: Date,
    },
    /// The student is not there; the context has the reason.
    RecordAbsence {
        /// On this day.
        date: Date,
    },
    /// An admin says what holds for a day; the context has the reason.
    CorrectAttendance {
        /// The day.
        date: Date,
        /// There or not.
        present: bool,
    },
    /// The placement is on hold.
    FreezeRegister,
    /// The placement goes on.
    ReopenRegister,
    /// The placement ended.
    CloseRegister,
    /// The figures for the final KPIs.
    ReportAttendance {
        /// Gaps before this day count.
        as_of: Date,
    },
}

impl Aggregate for Register {
    type Command = Command;
    type Event = Event;
    type Refusal = Refused;

    const CATEGORY: &'static str = "attendance";

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Refused> {
        let today = context.occurred_at.date();
        match *command {
            Command::OpenRegister {
                ids,
                employer_id,
                start_date,
            } => Ok(self.open(ids, employer_id, start_date)),
            Command::ClockIn { date } => self.clock_in(date, today),
            Command::ClockOut { date } => self.clock_out(date),
            Command::RecordAbsence { date } => self.record_absence(date, today, context),
            Command::CorrectAttendance { date, present } => self.correct(date, present, context),
            Command::FreezeRegister => self.freeze(today),
            Command::ReopenRegister => self.reopen(today),
            Command::CloseRegister => self.close(today),
            Command::ReportAttendance { as_of } => self.report(as_of),
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.apply(event);
    }

    fn owners(&self) -> Owners {
        if self.phase == Phase::None {
            return Owners::default();
        }
        Owners {
            student: Some(self.ids.student_id),
            employer: Some(self.employer_id),
            partners: Vec::new(),
        }
    }
}

/// Days there by days recorded; 1 where none was recorded, since none was missed.
fn attendance_rate(present: u32, absent: u32) -> f64 {
    if present + absent == 0 {
        return 1.0;
    }
    f64::from(present) / f64::from(present + absent)
}

impl Register {
    fn open(&self, ids: PlacementIds, employer_id: Uuid, start_date: Date) -> Vec<Event> {
        if self.phase != Phase::None {
            return Vec::new();
        }
        vec![Event::RegisterOpened {
            ids,
            employer_id,
            start_date,
        }]
    }

    /// A repeat of a day that is present already succeeds whatever became of the placement since.
    fn clock_in(&self, date: Date, today: Date) -> Result<Vec<Event>, Refused> {
        let recorded = self.days.on(date).map(|day| day.mark);
        if recorded.is_some_and(Mark::is_present) {
            return Ok(Vec::new());
        }
        self.takes(date, today)?;
        if recorded.is_some() {
            return Err(Refused::AbsenceRecorded(date));
        }
        let mut events = self.absences(self.gaps_before(date));
        events.push(Event::ClockedIn {
            ids: self.ids,
            date,
        });
        Ok(events)
    }

    fn clock_out(&self, date: Date) -> Result<Vec<Event>, Refused> {
        let recorded = self.days.on(date).map(|day| day.mark);
        if recorded.is_some_and(Mark::has_left) {
            return Ok(Vec::new());
        }
        self.active()?;
        if !recorded.is_some_and(Mark::is_present) {
            return Err(Refused::NotClockedIn(date));
        }
        Ok(vec![Event::ClockedOut {
            ids: self.ids,
            date,
        }])
    }

    /// A repeat of a reported absence succeeds. A gap stays a gap: its event cannot take a reason afterwards.
    fn record_absence(
        &self,
        date: Date,
        today: Date,
        context: &Context,
    ) -> Result<Vec<Event>, Refused> {
        with_reason(context)?;
        let recorded = self.days.on(date).map(|day| day.mark);
        if recorded == Some(Mark::Absent(AbsenceCause::Reported)) {
            return Ok(Vec::new());
        }
        self.takes(date, today)?;
        match recorded {
            Some(mark) if mark.is_present() => Err(Refused::PresenceRecorded(date)),
            Some(_) => Err(Refused::AbsenceRecorded(date)),
            None => {
                let mut events = self.absences(self.gaps_before(date));
                events.push(Event::AbsenceRecorded {
                    ids: self.ids,
                    date,
                    to_date: date,
                    days: 1,
                    cause: AbsenceCause::Reported,
                });
                Ok(events)
            }
        }
    }

    fn correct(&self, date: Date, present: bool, context: &Context) -> Result<Vec<Event>, Refused> {
        with_reason(context)?;
        self.active()?;
        let Some(day) = self.days.on(date) else {
            return Err(Refused::NothingToCorrect(date));
        };
        if day.mark.is_present() == present {
            return Err(Refused::NothingToCorrect(date));
        }
        Ok(vec![Event::AttendanceCorrected {
            ids: self.ids,
            date,
            present,
            corrects_revision: day.revision,
        }])
    }

    fn freeze(&self, date: Date) -> Result<Vec<Event>, Refused> {
        match self.phase {
            Phase::None => Err(Refused::NotActive(self.phase)),
            Phase::Frozen | Phase::Closed => Ok(Vec::new()),
            Phase::Open => Ok(vec![Event::RegisterFrozen {
                ids: self.ids,
                date,
            }]),
        }
    }

    fn reopen(&self, date: Date) -> Result<Vec<Event>, Refused> {
        match self.phase {
            Phase::None => Err(Refused::NotActive(self.phase)),
            Phase::Open | Phase::Closed => Ok(Vec::new()),
            Phase::Frozen => Ok(vec![Event::RegisterReopened {
                ids: self.ids,
                date,
            }]),
        }
    }

    fn close(&self, date: Date) -> Result<Vec<Event>, Refused> {
        match self.phase {
            Phase::None => Err(Refused::NotActive(self.phase)),
            Phase::Closed => Ok(Vec::new()),
            Phase::Open | Phase::Frozen => {
                let mut events = self.absences(self.gaps_before(date));
                events.push(Event::RegisterClosed {
                    ids: self.ids,
                    date,
                });
                Ok(events)
            }
        }
    }

    /// Reports also on hold and after the end: a placement may end while its evaluation is under way.
    fn report(&self, as_of: Date) -> Result<Vec<Event>, Refused> {
        if self.phase == Phase::None {
            return Err(Refused::NotActive(self.phase));
        }
        if self.reported {
            return Ok(Vec::new());
        }
        let gaps = match self.phase {
            Phase::Closed | Phase::None => Vec::new(),
            Phase::Open | Phase::Frozen => self.gaps_before(as_of),
        };
        let days_present = self.days_present();
        let days_absent = self.days_absent() + gaps.iter().map(|gap| gap.days).sum::<u32>();
        let mut events = self.absences(gaps);
        events.push(Event::AttendanceReported {
            ids: self.ids,
            days_present,
            days_absent,
            attendance_rate: attendance_rate(days_present, days_absent),
        });
        Ok(events)
    }

    fn absences(&self, gaps: Vec<Gap>) -> Vec<Event> {
        let absence = |gap: Gap| Event::AbsenceRecorded {
            ids: self.ids,
            date: gap.from,
            to_date: gap.to,
            days: gap.days,
            cause: AbsenceCause::Gap,
        };
        gaps.into_iter().map(absence).collect()
    }

    fn active(&self) -> Result<Date, Refused> {
        match (self.phase, self.start_date) {
            (Phase::Open, Some(first)) => Ok(first),
            (phase, _) => Err(Refused::NotActive(phase)),
        }
    }

    fn takes(&self, date: Date, today: Date) -> Result<(), Refused> {
        let first = self.active()?;
        if date < first || today < date {
            return Err(Refused::OutsidePlacement {
                date,
                first,
                last: today,
            });
        }
        // The days on which it was put on hold and resumed are half active: they can be recorded.
        let held =
            |&(from, to): &(Date, Option<Date>)| from < date && to.is_none_or(|to| date < to);
        if self.holds.iter().any(held) {
            return Err(Refused::OnHold(date));
        }
        Ok(())
    }
}

fn with_reason(context: &Context) -> Result<(), Refused> {
    match &context.reason {
        Some(reason) if !reason.trim().is_empty() => Ok(()),
        Some(_) | None => Err(Refused::ReasonRequired),
    }
}
