//! The rooms of ringtape under one name: what tests, benches and the Python binding use.

pub use ringtape_engine as engine;
pub use ringtape_model as model;
pub use ringtape_ring as ring;
pub use ringtape_sim as sim;
pub use ringtape_wire as wire;
