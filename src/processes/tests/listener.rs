//! One process and one log for the tests of what runs processes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::kernel::{ConsistencyToken, Moment, Position, StreamName};
use crate::log::memory::MemoryLog;
use crate::log::{EventLog, Expected, NewEvent, RecordedEvent};
use crate::processes::{Process, ProcessError, Processes, Source};

pub(super) fn clock() -> Moment {
    Moment::EPOCH
}

pub(super) async fn append(log: &MemoryLog, stream: &str, text: &str) -> Position {
    let event = NewEvent {
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{stream}/{text}").as_bytes()),
        event_type: "Said".into(),
        is_json: true,
        data: Bytes::from(text.to_owned()),
        metadata: Bytes::from_static(b"{}"),
    };
    let stream = StreamName::new(stream).unwrap();
    log.append(&stream, Expected::Any, vec![event])
        .await
        .unwrap()
        .position
}

/// Notes what it is handed; fails, and takes its time, as it is told to. What it is told of is written `stream:text`.
pub(super) struct Listener {
    pub(super) heard: Mutex<Vec<String>>,
    pub(super) refuses: Mutex<HashSet<String>>,
    pub(super) stumbles: Mutex<HashMap<String, u32>>,
    /// What it takes its time with, once it has noted it, until `patience` is given.
    pub(super) lingers: Mutex<HashSet<String>>,
    pub(super) patience: Semaphore,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            heard: Mutex::default(),
            refuses: Mutex::default(),
            stumbles: Mutex::default(),
            lingers: Mutex::default(),
            patience: Semaphore::new(0),
        }
    }
}

impl Listener {
    pub(super) fn heard_of(&self, stream: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .filter(|text| text.starts_with(&format!("{stream}:")))
            .cloned()
            .collect()
    }
}

#[async_trait]
impl Process for Listener {
    fn name(&self) -> &'static str {
        "listener"
    }
    fn sources(&self) -> &'static [Source] {
        &[Source {
            service: "a",
            event_types: &["Said"],
        }]
    }
    async fn handle(
        &self,
        _: &'static str,
        event: &RecordedEvent,
        _: Moment,
    ) -> Result<(), ProcessError> {
        let text = format!("{}:{}", event.stream, String::from_utf8_lossy(&event.data));
        if self.refuses.lock().unwrap().contains(&text) {
            return Err(ProcessError::Permanent("no".to_owned()));
        }
        if let Some(left) = self.stumbles.lock().unwrap().get_mut(&text)
            && *left > 0
        {
            *left -= 1;
            return Err(ProcessError::Transient("not yet".to_owned()));
        }
        let lingers = self.lingers.lock().unwrap().contains(&text);
        self.heard.lock().unwrap().push(text);
        if lingers {
            self.patience.acquire().await.unwrap().forget();
        }
        Ok(())
    }
}

pub(super) fn logs(log: &MemoryLog) -> HashMap<&'static str, Arc<dyn EventLog>> {
    HashMap::from([("a", Arc::new(log.clone()) as Arc<dyn EventLog>)])
}

pub(super) async fn settle(processes: &Processes, position: Position) {
    processes
        .settle(&ConsistencyToken::new("a", position))
        .await
        .unwrap();
}
