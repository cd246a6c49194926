//! Massive (formerly Polygon.io).

pub mod encode;
