//! Health in detail: every log, projection and process by name.

use tonic::Status;

use super::Operations;
use crate::log::Health;
use crate::proto::annals::operations::v1::{ComponentHealth, GetHealthDetailsResponse};

impl Operations {
    /// Asks every part.
    pub(super) async fn health(&self) -> Result<GetHealthDetailsResponse, Status> {
        let mut components: Vec<ComponentHealth> = self
            .logs
            .iter()
            .map(|(service, log)| log_health(service, &log.health().borrow()))
            .collect();
        for projection in self.projections.status().await {
            let name = format!("projection/{}", projection.name);
            components.push(component(name, "FAILED", projection.failure));
        }
        for process in self.process_status().await? {
            let name = format!("process/{}/{}", process.process, process.service);
            components.push(component(name, "DEGRADED", process.trouble));
        }
        components.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(GetHealthDetailsResponse {
            serving: components
                .iter()
                .all(|component| component.state == "SERVING"),
            components,
        })
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
