//! The Docker engine started by `tests/lab/engine up` keeps the promises of `docs/internals/engine.md`.
//!
//! Without an engine these tests fail. They are never skipped.

use testkit::{conformance, each_promise};

use super::conformance_world::World;

macro_rules! on_docker {
    ($($promise:ident)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let world = World::new(stringify!($promise)).await;
                conformance::$promise(&world).await;
            }
        )*
    };
}

each_promise!(on_docker);
