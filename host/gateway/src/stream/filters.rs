//! Topic filters out of a request, and whether its sender may see what they match.

use plugbus_bus::{FILTERS_MAX, Filter};

use crate::auth::Identity;
use crate::problem::Problem;

/// Reads filters; none stands for everything.
///
/// # Errors
/// 400 for a filter that is none or too many of them, 403 for one that shows more than the identity may see.
pub(crate) fn parse<T: AsRef<str>>(texts: &[T], identity: &Identity) -> Result<Vec<Filter>, Problem> {
    if texts.is_empty() {
        return parse(&[">"], identity);
    }
    if texts.len() > FILTERS_MAX {
        let detail = format!("{} filters; at most {FILTERS_MAX} are allowed for one reader", texts.len());
        return Err(Problem::bad_request(detail));
    }
    let filter = |text: &T| {
        let filter = Filter::parse(text.as_ref());
        let filter = filter.map_err(|error| Problem::bad_request(format!("filter {error}")))?;
        identity.require_subscribe(&filter)?;
        Ok(filter)
    };
    texts.iter().map(filter).collect()
}
