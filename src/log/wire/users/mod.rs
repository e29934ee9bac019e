//! Users: kept for the clients that manage them. A node that looks at no credentials lets everybody in all the same.
//!
//! As on the official server each has a stream of its own, `$user-<login>`, whose last event is how the user stands, and
//! `$users` names all that ever were. `admin` and `ops` are there from the beginning.

mod store;

use std::sync::Arc;

use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use self::store::{User, Users as Store};
use super::errors;
use super::node::Node;
use super::streams::ReplyStream;
use crate::proto::event_store::client::users as proto;
use proto::details_resp::{UserDetails, user_details::DateTime};
use proto::users_server::{Users, UsersServer};

/// Adds the service.
pub(super) fn add(routes: Routes, node: &Arc<Node>) -> Routes {
    routes.add_service(UsersServer::new(Service {
        users: Store::of(node),
    }))
}

struct Service {
    users: Store,
}

/// The options of a request: every one of them has some.
fn said<T>(options: Option<T>) -> Result<T, Status> {
    options.ok_or_else(|| errors::malformed("the options are missing"))
}

pub(super) fn not_found(login: &str) -> Status {
    let text = format!("User '{login}' is not found.");
    let trailers = [("login-name", login.to_owned())];
    errors::named(Code::NotFound, text, "user-not-found", &trailers)
}

pub(super) fn conflict(login: &str) -> Status {
    let text = format!("Conflict while updating user '{login}'.");
    let trailers = [("login-name", login.to_owned())];
    errors::named(Code::FailedPrecondition, text, "user-conflict", &trailers)
}

#[tonic::async_trait]
impl Users for Service {
    type DetailsStream = ReplyStream<proto::DetailsResp>;

    async fn create(
        &self,
        request: Request<proto::CreateReq>,
    ) -> Result<Response<proto::CreateResp>, Status> {
        let said = said(request.into_inner().options)?;
        if said.login_name.is_empty() || said.password.is_empty() {
            return Err(errors::malformed("a user needs a login and a password"));
        }
        let mut user = User::new(said.login_name, said.full_name, said.groups);
        user.set_password(&said.password)?;
        self.users.create(&user).await?;
        Ok(Response::new(proto::CreateResp {}))
    }

    async fn update(
        &self,
        request: Request<proto::UpdateReq>,
    ) -> Result<Response<proto::UpdateResp>, Status> {
        let said = said(request.into_inner().options)?;
        let change = |user: &mut User| {
            user.full_name = said.full_name;
            user.groups = said.groups;
            Ok(())
        };
        self.users.change(&said.login_name, change).await?;
        Ok(Response::new(proto::UpdateResp {}))
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteReq>,
    ) -> Result<Response<proto::DeleteResp>, Status> {
        let said = said(request.into_inner().options)?;
        self.users.delete(&said.login_name).await?;
        Ok(Response::new(proto::DeleteResp {}))
    }

    async fn disable(
        &self,
        request: Request<proto::DisableReq>,
    ) -> Result<Response<proto::DisableResp>, Status> {
        let said = said(request.into_inner().options)?;
        let change = |user: &mut User| {
            user.disabled = true;
            Ok(())
        };
        self.users.change(&said.login_name, change).await?;
        Ok(Response::new(proto::DisableResp {}))
    }

    async fn enable(
        &self,
        request: Request<proto::EnableReq>,
    ) -> Result<Response<proto::EnableResp>, Status> {
        let said = said(request.into_inner().options)?;
        let change = |user: &mut User| {
            user.disabled = false;
            Ok(())
        };
        self.users.change(&said.login_name, change).await?;
        Ok(Response::new(proto::EnableResp {}))
    }

    async fn details(
        &self,
        request: Request<proto::DetailsReq>,
    ) -> Result<Response<Self::DetailsStream>, Status> {
        let login = request.into_inner().options.unwrap_or_default().login_name;
        let users = if login.is_empty() {
            self.users.all().await?
        } else {
            vec![self.users.get(&login).await?]
        };
        let replies: Vec<_> = users.into_iter().map(|user| Ok(details(user))).collect();
        Ok(Response::new(Box::pin(futures::stream::iter(replies))))
    }

    async fn change_password(
        &self,
        request: Request<proto::ChangePasswordReq>,
    ) -> Result<Response<proto::ChangePasswordResp>, Status> {
        let said = said(request.into_inner().options)?;
        let change = |user: &mut User| {
            if !user.has_password(&said.current_password) {
                return Err(errors::access_denied());
            }
            user.set_password(&said.new_password)
        };
        self.users.change(&said.login_name, change).await?;
        Ok(Response::new(proto::ChangePasswordResp {}))
    }

    async fn reset_password(
        &self,
        request: Request<proto::ResetPasswordReq>,
    ) -> Result<Response<proto::ResetPasswordResp>, Status> {
        let said = said(request.into_inner().options)?;
        let change = |user: &mut User| user.set_password(&said.new_password);
        self.users.change(&said.login_name, change).await?;
        Ok(Response::new(proto::ResetPasswordResp {}))
    }
}

fn details(user: User) -> proto::DetailsResp {
    let updated = user.updated_ticks();
    proto::DetailsResp {
        user_details: Some(UserDetails {
            login_name: user.login_name,
            full_name: user.full_name,
            groups: user.groups,
            last_updated: Some(DateTime {
                ticks_since_epoch: updated,
            }),
            disabled: user.disabled,
        }),
    }
}
