//! The durable engine: dispatcher, settler, expirer, rescuer, cleaner.
