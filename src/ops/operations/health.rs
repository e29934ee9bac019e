//! Health in detail: every log, projection and process by name.

use super::Operations;
use crate::log::Health;
use crate::proto::annals::operations::v1::{ComponentHealth, GetHealthDetailsResponse};

impl Operations {
    /// Asks every part, and no log: one that does not answer holds this answer up no more than another.
    pub(super) fn health(&self) -> GetHealthDetailsResponse {
        let mut components: Vec<ComponentHealth> = self
            .logs
            .iter()
            .map(|(service, log)| log_health(service, &log.health().borrow()))
            .collect();
        for (model, failure) in self.projections.failures() {
            let name = format!("projection/{model}");
            components.push(component(name, "FAILED", failure));
        }
        for (process, service, trouble) in self.processes.troubles() {
            let name = format!("process/{process}/{service}");
            components.push(component(name, "DEGRADED", trouble));
        }
        components.sort_by(|one, other| one.name.cmp(&other.name));
        GetHealthDetailsResponse {
            serving: components
                .iter()
                .all(|component| component.state == "SERVING"),
            components,
        }
    }
}

fn log_health(service: &str, health: &Health) -> ComponentHealth {
    let (state, detail) = match health {
        Health::Serving => ("SERVING", ""),
        Health::Degraded(why) => ("DEGRADED", why.as_str()),
        Health::Failed(why) => ("FAILED", why.as_str()),
        Health::Closed => ("CLOSED", ""),
    };
    ComponentHealth {
        name: format!("log/{service}"),
        state: state.to_owned(),
        detail: detail.to_owned(),
    }
}

/// Serving, unless there is trouble.
fn component(name: String, in_trouble: &str, trouble: Option<String>) -> ComponentHealth {
    ComponentHealth {
        name,
        state: trouble
            .as_ref()
            .map_or("SERVING", |_| in_trouble)
            .to_owned(),
        detail: trouble.unwrap_or_default(),
    }
}
