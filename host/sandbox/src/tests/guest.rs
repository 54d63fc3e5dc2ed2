//! Components of the plugbus world, written in WebAssembly text: the code of `init` and `handle` is put into a frame that
//! has a memory, an allocator, the contract's types and imports.
//!
//! Memory: 0–1023 is for results, 1024–4095 for data, from 4096 on the allocator goes upwards; `handle` sets it back.
//! `init` gets `$config_ptr $config_len`, `handle` gets `$event`, where the event's record lies; both answer with the
//! address of their result.

use bytes::Bytes;

pub(super) use imports::*;

mod imports;

/// `ok` of `init`, with the filters that lie at 1024: one, `hook.>`.
pub(super) const INIT_OK: &str = "(i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 1024))
    (i32.store (i32.const 8) (i32.const 1)) (i32.const 0)";
/// `ok(none)`: zeros at 64, which nothing writes to.
pub(super) const ACK: &str = "(i32.const 64)";

/// What to put into the frame.
#[derive(Clone)]
pub(crate) struct Guest {
    /// Code of `init`.
    pub(super) init: String,
    /// Code of `handle`.
    pub(super) handle: String,
    /// More functions, globals and data of the main module.
    pub(super) items: String,
    /// Pages of memory at the start.
    pub(super) pages: u32,
    /// Imports of WASI's.
    pub(super) wasi: Vec<Wasi>,
    /// The name of the exported interface.
    pub(super) export: String,
    /// The cases of `failure`, to break the contract's types with.
    pub(super) failure: &'static str,
}

/// An import: how the component declares it, how the core module gets it.
#[derive(Clone)]
pub(super) struct Wasi {
    /// Declarations in the component, ending with a core function of the name.
    pub(super) component: &'static str,
    /// Name of the core function.
    pub(super) name: &'static str,
    /// Its type in the core module.
    pub(super) ty: &'static str,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            init: INIT_OK.into(),
            handle: ACK.into(),
            items: String::new(),
            pages: 1,
            wasi: Vec::new(),
            export: crate::SUBSCRIBER.into(),
            failure: r#"(case "retry" $hint) (case "reject" string)"#,
        }
    }
}

impl Guest {
    /// A guest whose `handle` is this code.
    pub(super) fn handling(code: impl Into<String>) -> Self {
        Self { handle: code.into(), ..Self::default() }
    }

    /// A guest whose `init` is this code.
    pub(super) fn starting(code: impl Into<String>) -> Self {
        Self { init: code.into(), ..Self::default() }
    }

    pub(super) fn items(mut self, items: impl Into<String>) -> Self {
        self.items = items.into();
        self
    }

    pub(super) fn wasi(mut self, wasi: &[Wasi]) -> Self {
        self.wasi = wasi.to_vec();
        self
    }

    /// The component.
    pub(super) fn binary(&self) -> Bytes {
        let text = FRAME
            .replace("EXPORT", &self.export)
            .replace("FAILURE2", &self.failure.replace("$hint", "$hint2"))
            .replace("FAILURE", self.failure)
            .replace("PAGES", &self.pages.to_string())
            .replace("WASI_COMPONENT", &self.each(|wasi| wasi.component.to_owned()))
            .replace("WASI_WITH", &self.each(|wasi| format!(r#"(export "{0}" (func ${0}))"#, wasi.name)))
            .replace(
                "WASI_CORE",
                &self.each(|wasi| format!(r#"(import "host" "{0}" (func ${0} {1}))"#, wasi.name, wasi.ty)),
            )
            .replace("ITEMS", &self.items)
            .replace("INIT", &self.init)
            .replace("HANDLE", &self.handle);
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).into()
    }

    fn each(&self, text: impl Fn(&Wasi) -> String) -> String {
        self.wasi.iter().map(text).collect::<Vec<_>>().join("\n")
    }
}

/// A string as data at an address.
pub(super) fn data(address: usize, text: &str) -> String {
    format!("(data (i32.const {address}) {text:?})")
}

/// A call of `publish` with an empty text; the topic lies at the address, the result goes to 512.
pub(super) fn publish(topic: usize, bytes: usize) -> String {
    format!(
        "(call $publish (i32.const {topic}) (i32.const {bytes}) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))"
    )
}

/// `err(reject(text))`, the text being what the error of `publish` at 512 says.
pub(super) const REJECT_WITH_PUBLISH_ERROR: &str = "
    (i32.store8 (i32.const 128) (i32.const 1)) (i32.store8 (i32.const 136) (i32.const 1))
    (i32.store (i32.const 144) (i32.load (i32.const 520))) (i32.store (i32.const 148) (i32.load (i32.const 524)))
    (i32.const 128)";

/// `err(reject(…))` with the text at an address.
pub(super) fn reject(address: usize, bytes: usize) -> String {
    format!(
        "(i32.store8 (i32.const 128) (i32.const 1)) (i32.store8 (i32.const 136) (i32.const 1))
         (i32.store (i32.const 144) (i32.const {address})) (i32.store (i32.const 148) (i32.const {bytes}))
         (i32.const 128)"
    )
}

/// `ok(some(payload))` with content type and text at addresses.
pub(super) fn reply(content_type: (usize, usize), body: (usize, usize)) -> String {
    format!(
        "(i32.store8 (i32.const 128) (i32.const 0)) (i32.store8 (i32.const 136) (i32.const 1))
         (i32.store (i32.const 140) (i32.const {})) (i32.store (i32.const 144) (i32.const {}))
         (i32.store8 (i32.const 148) (i32.const 0))
         (i32.store (i32.const 152) (i32.const {})) (i32.store (i32.const 156) (i32.const {}))
         (i32.const 128)",
        content_type.0, content_type.1, body.0, body.1
    )
}

const FRAME: &str = r#"(component
  (import "plugbus:plugin/publisher@0.1.0" (instance $publisher
    (type $b0 (variant (case "text" string) (case "bytes" (list u8))))
    (export "body" (type $b (eq $b0)))
    (type $p0 (record (field "content-type" string) (field "body" $b)))
    (export "payload" (type $p (eq $p0)))
    (type $e0 (variant (case "denied" string) (case "invalid" string) (case "over-limit" string)))
    (export "publish-error" (type $e (eq $e0)))
    (export "publish" (func (param "topic" string) (param "payload" $p)
      (param "extensions" (list (tuple string string))) (result (result string (error $e)))))))
  (import "wasi:logging/logging@0.1.0-draft" (instance $logging
    (type $l0 (enum "trace" "debug" "info" "warn" "error" "critical"))
    (export "level" (type $l (eq $l0)))
    (export "log" (func (param "level" $l) (param "context" string) (param "message" string)))))
  (core module $libc
    (memory (export "memory") PAGES)
    (global $bump (export "bump") (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $p i32)
      (local.set $p (i32.and (i32.add (global.get $bump) (i32.const 15)) (i32.const -16)))
      (global.set $bump (i32.add (local.get $p) (local.get 3)))
      (if (i32.gt_u (global.get $bump) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.const 1) (i32.div_u
          (i32.sub (global.get $bump) (i32.mul (memory.size) (i32.const 65536))) (i32.const 65536)))))))
      (local.get $p)))
  (core instance $libc-i (instantiate $libc))
  (alias core export $libc-i "memory" (core memory $mem))
  (alias core export $libc-i "realloc" (core func $realloc))
  WASI_COMPONENT
  (core func $publish (canon lower (func $publisher "publish") (memory $mem) (realloc $realloc)))
  (core func $log (canon lower (func $logging "log") (memory $mem)))
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "libc" "bump" (global $bump (mut i32)))
    (import "host" "publish" (func $publish (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
    WASI_CORE
    (data (i32.const 1024) "\10\04\00\00\06\00\00\00")
    (data (i32.const 1040) "hook.>")
    ITEMS
    (func $init (export "init") (param $config_ptr i32) (param $config_len i32) (result i32) INIT)
    (func $handle (export "handle") (param $event i32) (result i32)
      (global.set $bump (i32.const 4096))
      HANDLE))
  (core instance $main-i (instantiate $main
    (with "libc" (instance $libc-i))
    (with "host" (instance (export "publish" (func $publish)) (export "log" (func $log)) WASI_WITH))))
  (type $body (variant (case "text" string) (case "bytes" (list u8))))
  (type $payload (record (field "content-type" string) (field "body" $body)))
  (type $event (record (field "id" string) (field "source" string) (field "topic" string)
    (field "subject" (option string)) (field "time-ns" u64) (field "payload" $payload)
    (field "extensions" (list (tuple string string))) (field "attempt" u32)))
  (type $hint (record (field "reason" string) (field "after-ms" (option u64))))
  (type $failure (variant FAILURE))
  (type $registration (record (field "filters" (list string))))
  (func $init (param "config" string) (result (result $registration (error string)))
    (canon lift (core func $main-i "init") (memory $mem) (realloc $realloc)))
  (func $handle (param "event" $event) (result (result (option $payload) (error $failure)))
    (canon lift (core func $main-i "handle") (memory $mem) (realloc $realloc)))
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
    (type $failure (variant FAILURE))
    (import "failure" (type $f (eq $failure)))
    (type $registration (record (field "filters" (list string))))
    (import "registration" (type $r (eq $registration)))
    (import "init" (func $init (param "config" string) (result (result $r (error string)))))
    (import "handle" (func $handle (param "event" $e) (result (result (option $p) (error $f)))))
    ;; Exported types may name exported types only, so the records are spelt out once more.
    (export $b2 "body" (type $b))
    (type $payload2 (record (field "content-type" string) (field "body" $b2)))
    (export $p2 "payload" (type $payload2))
    (type $event2 (record (field "id" string) (field "source" string) (field "topic" string)
      (field "subject" (option string)) (field "time-ns" u64) (field "payload" $p2)
      (field "extensions" (list (tuple string string))) (field "attempt" u32)))
    (export $e2 "event" (type $event2))
    (export $hint2 "retry-hint" (type $hint))
    (type $failure2 (variant FAILURE2))
    (export $f2 "failure" (type $failure2))
    (export $r2 "registration" (type $r))
    (export "init" (func $init) (func (param "config" string) (result (result $r2 (error string)))))
    (export "handle" (func $handle) (func (param "event" $e2) (result (result (option $p2) (error $f2))))))
  (instance $subscriber (instantiate $shape
    (with "body" (type $body)) (with "payload" (type $payload)) (with "event" (type $event))
    (with "retry-hint" (type $hint)) (with "failure" (type $failure)) (with "registration" (type $registration))
    (with "init" (func $init)) (with "handle" (func $handle))))
  (export "EXPORT" (instance $subscriber)))
"#;
