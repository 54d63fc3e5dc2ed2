//! Plugins: list, show, reload, pause, resume, rescan.

use super::super::Services;
use super::super::protocol::{ErrorCode, ErrorLine, Response};
use super::Result;

pub(super) fn list(services: &Services) -> Result<Response> {
    loader(services)
}
pub(super) fn show(services: &Services, _: &str) -> Result<Response> {
    loader(services)
}
pub(super) async fn reload(services: &Services, _: &str) -> Result<Response> {
    loader(services)
}
pub(super) fn pause(services: &Services, _: &str) -> Result<Response> {
    loader(services)
}
pub(super) fn resume(services: &Services, _: &str) -> Result<Response> {
    loader(services)
}
pub(super) async fn rescan(services: &Services) -> Result<Response> {
    loader(services)
}
fn loader(_: &Services) -> Result<Response> {
    Err(ErrorLine::new(ErrorCode::NotFound, "this host serves no plugins folder"))
}
