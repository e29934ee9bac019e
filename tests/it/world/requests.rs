//! Requests for every method, made from the descriptors: a new method or field is covered by itself.

use annals::ops::client;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};
use uuid::Uuid;

use super::World;
use crate::support::journey::{far_future, id};

/// Fields that a good request leaves out.
const LEFT_OUT: [&str; 4] = ["expected_revision", "occurred_at", "page_token", "filter"];

/// Every method of Annals itself.
pub fn methods() -> Vec<MethodDescriptor> {
    let all = client::Methods::load().unwrap();
    let services: Vec<_> = all.services().collect();
    services
        .iter()
        .filter(|service| client::room(service.full_name()).is_some())
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
}

/// `attendance.ClockIn`
pub fn action(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    format!(
        "{}.{}",
        client::room(service.full_name()).unwrap(),
        method.name()
    )
}

impl World {
    /// A request in which every field is good. Commands change nothing, since they only validate.
    pub fn request(&self, method: &MethodDescriptor) -> DynamicMessage {
        self.filled(&method.input())
    }

    fn filled(&self, message: &MessageDescriptor) -> DynamicMessage {
        let mut filled = DynamicMessage::new(message.clone());
        for field in message.fields() {
            let chosen = field
                .containing_oneof()
                .is_some_and(|oneof| oneof.fields().any(|other| filled.has_field(&other)));
            if chosen || LEFT_OUT.contains(&field.name()) {
                continue;
            }
            let value = if field.name() == "ratings" {
                Value::List(
                    (1..=5)
                        .map(|category| self.rating(&field, category))
                        .collect(),
                )
            } else if field.is_list() {
                Value::List(vec![self.good(&field)])
            } else {
                self.good(&field)
            };
            filled.set_field(&field, value);
        }
        filled
    }

    fn rating(&self, field: &FieldDescriptor, category: i32) -> Value {
        let mut value = self.good(field);
        if let Value::Message(rating) = &mut value {
            rating.set_field_by_name("category", Value::EnumNumber(category));
        }
        value
    }

    fn good(&self, field: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::String => Value::String(self.text(field.name())),
            Kind::Bool => Value::Bool(true),
            Kind::Int32 => Value::I32(10),
            Kind::Uint32 => Value::U32(1),
            Kind::Uint64 => Value::U64(0),
            Kind::Double => Value::F64(0.5),
            Kind::Enum(_) => Value::EnumNumber(1),
            Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
                let mut at = DynamicMessage::new(message);
                at.set_field_by_name("seconds", Value::I64(far_future().seconds));
                Value::Message(at)
            }
            Kind::Message(message) if message.full_name() == "google.protobuf.Struct" => {
                Value::Message(DynamicMessage::new(message))
            }
            Kind::Message(message) => Value::Message(self.filled(&message)),
            other => panic!(
                "{}: no good value for {other:?} is known here",
                field.full_name()
            ),
        }
    }

    fn text(&self, field: &str) -> String {
        let journey = &self.journey;
        match field {
            "request_id" => Uuid::now_v7().to_string(),
            "application_id" => journey.application.to_string(),
            "placement_id" | "target_id" => journey.placement.to_string(),
            "student_id" => journey.student.to_string(),
            "employer_id" => journey.employer.to_string(),
            "internship_id" => journey.internship.to_string(),
            "partner_id" => self.partner.to_string(),
            "task_id" => id("task").to_string(),
            "submission_id" => id("submission").to_string(),
            "certificate_id" | "revoked_certificate_id" => id(field).to_string(),
            "date" | "start_date" => "2024-01-02".to_owned(),
            "email" => "ada@example.org".to_owned(),
            "link" => "https://example.org/1".to_owned(),
            "consistency_token" => self.token.clone(),
            "stream" => format!("placement-{}", journey.placement),
            "query" => "list".to_owned(),
            "service" => "certificates".to_owned(),
            "code" => "7ZQ4-K9TD-2M8X-HW3R-VB6N-C1YJ-PS".to_owned(),
            // Also the name of a model, where that is asked for.
            _ => "certificate_register".to_owned(),
        }
    }
}
