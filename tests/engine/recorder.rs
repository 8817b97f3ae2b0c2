//! The recorder used by the checks of calls.

use testkit::engine::engine;
use testkit::recorder::{Call, Recorder};

#[test]
fn the_recorder_sees_the_calls_of_a_client() {
    let recorder = Recorder::new();
    engine().docker(&["--host", &recorder.host(), "volume", "ls"]);
    let seen = recorder.take();
    let list = Call { method: "GET".to_owned(), path: "/volumes".to_owned() };
    assert!(seen.contains(&list) && !seen.iter().any(Call::changes), "{seen:?}");

    // A missing object, so that the call has no effect.
    engine().try_docker(&["--host", &recorder.host(), "network", "rm", "e2e-nowhere"]);
    let seen = recorder.take();
    let remove = Call { method: "DELETE".to_owned(), path: "/networks/e2e-nowhere".to_owned() };
    assert!(seen.contains(&remove) && remove.changes(), "{seen:?}");
}
