//! Deserialises a query string. Its values are text and are read as the types of their fields. Errors quote the value,
//! unlike those of the usual crates.

use std::borrow::Cow;

use serde::de::value::{Error, MapDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

/// The fields of a query string, in their order.
pub(super) struct QueryFields<'q>(url::form_urlencoded::Parse<'q>);

impl<'q> QueryFields<'q> {
    pub(super) fn parse(query: &'q str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()))
    }
}

impl<'de> Deserializer<'de> for QueryFields<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let fields = self.0.map(|(name, value)| (name, QueryValue(value)));
        visitor.visit_map(MapDeserializer::new(fields))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct QueryValue<'q>(Cow<'q, str>);

impl<'de> IntoDeserializer<'de> for QueryValue<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl QueryValue<'_> {
    fn visit_integer<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Error> {
        if let Ok(number) = self.0.parse() {
            return visitor.visit_u64(number);
        }
        match self.0.parse() {
            Ok(number) => visitor.visit_i64(number),
            Err(_not_an_integer) => Err(self.mismatch(&visitor)),
        }
    }

    fn mismatch<'de, V: Visitor<'de>>(&self, visitor: &V) -> Error {
        Error::invalid_type(Unexpected::Str(&self.0), visitor)
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.visit_integer(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for QueryValue<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.0.into_owned())
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.parse() {
            Ok(value) => visitor.visit_bool(value),
            Err(_not_a_boolean) => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use whim_core::{Priority, RepoName};

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        repo: Option<RepoName>,
        priority: Option<Priority>,
        limit: Option<u32>,
        after: Option<i64>,
        #[serde(default)]
        follow: bool,
    }

    fn read(query: &str) -> Result<Filter, String> {
        Filter::deserialize(QueryFields::parse(query)).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_read_as_the_types_of_their_fields() {
        assert_eq!(
            read("repo=octocat%2Fhello&priority=high&limit=7&after=-3&follow=true"),
            Ok(Filter {
                repo: RepoName::parse("octocat/hello").ok(),
                priority: Some(Priority::High),
                limit: Some(7),
                after: Some(-3),
                follow: true,
            })
        );
        assert_eq!(read("").map(|filter| filter.limit), Ok(None));
    }

    #[test]
    fn errors_quote_the_value() {
        for (query, expected) in [
            ("limit=ten", "invalid type: string \"ten\", expected u32"),
            ("limit=", "invalid type: string \"\", expected u32"),
            ("limit=-1", "invalid value: integer `-1`, expected u32"),
            ("follow=yes", "invalid type: string \"yes\", expected a boolean"),
            ("limit=1&limit=2", "duplicate field `limit`"),
        ] {
            assert_eq!(read(query), Err(expected.to_owned()), "{query}");
        }
        assert!(read("priority=x").unwrap_err().starts_with("unknown variant `x`"));
        assert!(
            read("colour=x")
                .unwrap_err()
                .starts_with("unknown field `colour`")
        );
    }
}
