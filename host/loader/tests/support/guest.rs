//! Small components of the plugin world, made of WebAssembly text.
//!
//! Memory: results at 0 to 255, data from 1024, and from 4096 on what the host writes; `handle` begins there anew.

/// What a guest does.
pub(crate) struct Guest {
    init: String,
    handle: String,
}

/// `ok` with the one filter `hook.>`, which lies at 1040.
const INIT_OK: &str = "(i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 1024))
    (i32.store (i32.const 8) (i32.const 1)) (i32.const 0)";
/// The length of the event's topic.
const TOPIC_BYTES: &str = "(i32.load (i32.add (local.get $event) (i32.const 20)))";

impl Guest {
    /// Replies with a letter to each event.
    pub(crate) fn replies(letter: char) -> Self {
        Self { init: INIT_OK.into(), handle: reply(letter) }
    }

    /// Replies, but traps on topics of as many bytes as `hook.bad` has.
    pub(crate) fn traps_on_bad(letter: char) -> Self {
        let trap = format!("(if (i32.eq {TOPIC_BYTES} (i32.const 8)) (then (unreachable)))");
        Self { init: INIT_OK.into(), handle: trap + &reply(letter) }
    }

    /// Spins for about as many turns before it replies.
    pub(crate) fn works(letter: char, turns: u32) -> Self {
        let work = format!(
            "(local $n i32) (local.set $n (i32.const {turns}))
             (loop $more (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $more (local.get $n)))"
        );
        Self { init: INIT_OK.into(), handle: work + &reply(letter) }
    }

    /// Traps in `init`.
    pub(crate) fn traps_in_init() -> Self {
        Self { init: "(unreachable)".into(), handle: reply('x') }
    }

    /// Spins in `init` for ever.
    pub(crate) fn spins_in_init() -> Self {
        Self { init: "(loop $again (br $again)) (unreachable)".into(), handle: reply('x') }
    }

    /// Spins for ever on each event.
    pub(crate) fn spins_in_handle() -> Self {
        Self { init: INIT_OK.into(), handle: "(loop $again (br $again)) (unreachable)".into() }
    }

    /// Refuses in `init`, with its config as the reason.
    pub(crate) fn refuses_its_config() -> Self {
        let init = "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (local.get $config_ptr))
            (i32.store (i32.const 8) (local.get $config_len)) (i32.const 0)";
        Self { init: init.into(), handle: reply('x') }
    }

    /// Registers no filter.
    pub(crate) fn registers_nothing(letter: char) -> Self {
        Self {
            init: INIT_OK.replace("(i32.const 8) (i32.const 1)", "(i32.const 8) (i32.const 0)"),
            handle: reply(letter),
        }
    }

    /// The component.
    pub(crate) fn binary(&self) -> Vec<u8> {
        self.binary_with("")
    }

    /// The component with so many functions more that nobody calls, so that it takes a while to compile. The salt makes
    /// them other functions.
    #[allow(dead_code, reason = "it is for the tests of the command line")]
    pub(crate) fn heavy_binary(&self, functions: u32, salt: u32) -> Vec<u8> {
        let function = |number: u32| {
            let step = format!("(i64.const {}) (i64.mul) (i64.const {salt}) (i64.xor)", u64::from(number) * 2 + 1);
            format!("(func (param i64) (result i64) (local.get 0) {})", step.repeat(60))
        };
        self.binary_with(&(0..functions).map(function).collect::<String>())
    }

    fn binary_with(&self, functions: &str) -> Vec<u8> {
        let text = FRAME.replace("INIT", &self.init).replace("HANDLE", &self.handle).replace("MORE", functions);
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// `ok(some(payload))` with a text of one letter, which is written to 1100.
fn reply(letter: char) -> String {
    format!(
        "(i32.store8 (i32.const 1100) (i32.const {}))
         (i32.store8 (i32.const 128) (i32.const 0)) (i32.store8 (i32.const 136) (i32.const 1))
         (i32.store (i32.const 140) (i32.const 1050)) (i32.store (i32.const 144) (i32.const 10))
         (i32.store8 (i32.const 148) (i32.const 0))
         (i32.store (i32.const 152) (i32.const 1100)) (i32.store (i32.const 156) (i32.const 1))
         (i32.const 128)",
        u32::from(letter)
    )
}

const FRAME: &str = r#"(component
  (core module $main
    (memory (export "memory") 4)
    (global $bump (mut i32) (i32.const 4096))
    (data (i32.const 1024) "\10\04\00\00\06\00\00\00")
    (data (i32.const 1040) "hook.>")
    (data (i32.const 1050) "text/plain")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $p i32)
      (local.set $p (i32.and (i32.add (global.get $bump) (i32.const 15)) (i32.const -16)))
      (global.set $bump (i32.add (local.get $p) (local.get 3)))
      (local.get $p))
    (func (export "init") (param $config_ptr i32) (param $config_len i32) (result i32) INIT)
    (func (export "handle") (param $event i32) (result i32)
      HANDLE
      (global.set $bump (i32.const 4096)))
    MORE)
  (core instance $i (instantiate $main))
  (alias core export $i "memory" (core memory $mem))
  (alias core export $i "realloc" (core func $realloc))
  (type $body (variant (case "text" string) (case "bytes" (list u8))))
  (type $payload (record (field "content-type" string) (field "body" $body)))
  (type $event (record (field "id" string) (field "source" string) (field "topic" string)
    (field "subject" (option string)) (field "time-ns" u64) (field "payload" $payload)
    (field "extensions" (list (tuple string string))) (field "attempt" u32)))
  (type $hint (record (field "reason" string) (field "after-ms" (option u64))))
  (type $failure (variant (case "retry" $hint) (case "reject" string)))
  (type $registration (record (field "filters" (list string))))
  (func $init (param "config" string) (result (result $registration (error string)))
    (canon lift (core func $i "init") (memory $mem) (realloc $realloc)))
  (func $handle (param "event" $event) (result (result (option $payload) (error $failure)))
    (canon lift (core func $i "handle") (memory $mem) (realloc $realloc)))
  (component $shape
    (type $body (variant (case "text" string) (case "bytes" (list u8))))
    (import "body" (type $b (eq $body)))
    (type $payload (record (field "content-type" string) (field "body" $b)))
    (import "payload" (type $p (eq $payload)))
    (type $event (record (field "id" string) (field "source" string) (field "topic" string)
      (field "subject" (option string)) (field "time-ns" u64) (field "payload" $p)
      (field "extensions" (list (tuple string string))) (field "attempt" u32)))
    (import "event" (type $e (eq $event)))
    (type $h0 (record (field "reason" string) (field "after-ms" (option u64))))
    (import "retry-hint" (type $hint (eq $h0)))
    (type $failure (variant (case "retry" $hint) (case "reject" string)))
    (import "failure" (type $f (eq $failure)))
    (type $registration (record (field "filters" (list string))))
    (import "registration" (type $r (eq $registration)))
    (import "init" (func $init (param "config" string) (result (result $r (error string)))))
    (import "handle" (func $handle (param "event" $e) (result (result (option $p) (error $f)))))
    (export $b2 "body" (type $b))
    (type $payload2 (record (field "content-type" string) (field "body" $b2)))
    (export $p2 "payload" (type $payload2))
    (type $event2 (record (field "id" string) (field "source" string) (field "topic" string)
      (field "subject" (option string)) (field "time-ns" u64) (field "payload" $p2)
      (field "extensions" (list (tuple string string))) (field "attempt" u32)))
    (export $e2 "event" (type $event2))
    (export $h2 "retry-hint" (type $hint))
    (type $failure2 (variant (case "retry" $h2) (case "reject" string)))
    (export $f2 "failure" (type $failure2))
    (export $r2 "registration" (type $r))
    (export "init" (func $init) (func (param "config" string) (result (result $r2 (error string)))))
    (export "handle" (func $handle) (func (param "event" $e2) (result (result (option $p2) (error $f2))))))
  (instance $subscriber (instantiate $shape
    (with "body" (type $body)) (with "payload" (type $payload)) (with "event" (type $event))
    (with "retry-hint" (type $hint)) (with "failure" (type $failure)) (with "registration" (type $registration))
    (with "init" (func $init)) (with "handle" (func $handle))))
  (export "plugbus:plugin/subscriber@0.1.0" (instance $subscriber)))
"#;
