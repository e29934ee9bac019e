//! What a placement is held to, and what was measured: words that several rooms store.
//!
//! Their JSON names are stored in events: they are only ever added to.

use serde::{Deserialize, Serialize};

use super::moment::{Date, day};

/// A figure of a placement that a target can be set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kpi {
    /// Days there by days recorded.
    AttendanceRate,
    /// Tasks submitted first time on time, by tasks submitted.
    OnTimeRate,
    /// Tasks submitted by tasks assigned.
    CompletionRate,
    /// Mean over the tasks of the last review's score, 0 to 100.
    MeanScore,
    /// Mean of the evaluation's ratings, 1 to 5.
    MeanRating,
}

impl Kpi {
    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AttendanceRate => "ATTENDANCE_RATE",
            Self::OnTimeRate => "ON_TIME_RATE",
            Self::CompletionRate => "COMPLETION_RATE",
            Self::MeanScore => "MEAN_SCORE",
            Self::MeanRating => "MEAN_RATING",
        }
    }
}

/// A target for one figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KpiTarget {
    /// Which figure.
    pub kpi: Kpi,
    /// It must be at least this.
    pub target: f64,
    /// Completion depends on it.
    pub mandatory: bool,
}

/// What a placement is held to, fixed when it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// First day.
    #[serde(with = "day")]
    pub start_date: Date,
    /// Days from the first day after which it can be completed.
    pub minimum_days: u32,
    /// Share of the recorded days on which the student must have been there, 0 to 1.
    pub required_attendance_rate: f64,
    /// Share of the mandatory tasks that must be submitted, 0 to 1.
    pub required_task_share: f64,
    /// What is measured at the end; each figure at most once.
    pub kpis: Vec<KpiTarget>,
}

/// The five figures of a placement. Where nothing was measured, rates are 1 (nothing was missed) and the score is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Days there by days recorded.
    pub attendance_rate: f64,
    /// Tasks submitted first time on time, by tasks submitted.
    pub on_time_rate: f64,
    /// Tasks submitted by tasks assigned.
    pub completion_rate: f64,
    /// Mean over the tasks of the last review's score, 0 to 100.
    pub mean_score: f64,
    /// Mean of the evaluation's ratings, 1 to 5.
    pub mean_rating: f64,
}

impl Figures {
    /// One of the five.
    #[must_use]
    pub const fn of(&self, kpi: Kpi) -> f64 {
        match kpi {
            Kpi::AttendanceRate => self.attendance_rate,
            Kpi::OnTimeRate => self.on_time_rate,
            Kpi::CompletionRate => self.completion_rate,
            Kpi::MeanScore => self.mean_score,
            Kpi::MeanRating => self.mean_rating,
        }
    }
}

/// An evaluation's ratings, every category, 1 (poor) to 5 (excellent).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratings {
    /// How good the work is.
    pub quality: u8,
    /// How far one can rely on it.
    pub reliability: u8,
    /// How much is done unasked.
    pub initiative: u8,
    /// Work with others.
    pub teamwork: u8,
    /// Speaking, writing, listening.
    pub communication: u8,
}

impl Ratings {
    /// The mean over the categories.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let all = [
            self.quality,
            self.reliability,
            self.initiative,
            self.teamwork,
            self.communication,
        ];
        f64::from(all.iter().map(|&rating| u32::from(rating)).sum::<u32>()) / 5.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_name_of_a_kpi_is_its_json_name() {
        for kpi in [
            Kpi::AttendanceRate,
            Kpi::OnTimeRate,
            Kpi::CompletionRate,
            Kpi::MeanScore,
            Kpi::MeanRating,
        ] {
            assert_eq!(serde_json::to_value(kpi).unwrap(), kpi.as_str());
        }
    }

    #[test]
    fn the_mean_rating_weighs_every_category_alike() {
        let ratings = Ratings {
            quality: 5,
            reliability: 1,
            initiative: 3,
            teamwork: 4,
            communication: 4,
        };
        assert!((ratings.mean() - 3.4).abs() < 1e-12);
    }
}
