//! What the model API costs: list prices, and the ledger of its requests.

mod prices;
mod record;

pub use self::prices::{Prices, PricesError};
pub use self::record::record;
