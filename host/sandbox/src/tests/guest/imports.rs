//! Imports of WASI's for hand-made guests.

use super::Wasi;

/// `wasi:io/poll` and the clock: `$sleep` makes a pollable for nanoseconds, `$block` waits for it.
pub(in crate::tests) const SLEEP: Wasi = Wasi {
    component: r#"
      (import "wasi:io/poll@0.2.0" (instance $poll
        (export "pollable" (type $p (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $p))))))
      (alias export $poll "pollable" (type $pollable))
      (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
        (alias outer 1 $pollable (type $p0))
        (export "pollable" (type $p (eq $p0)))
        (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
      (core func $sleep (canon lower (func $clock "subscribe-duration")))
      (core func $block (canon lower (func $poll "[method]pollable.block")))"#,
    name: "sleep",
    ty: "(param i64) (result i32)",
};

/// Goes with [`SLEEP`].
pub(in crate::tests) const BLOCK: Wasi = Wasi { component: "", name: "block", ty: "(param i32)" };

/// Standard error: `$stderr` gives the stream, `$write` writes to it (stream, pointer, length, address of the result).
pub(in crate::tests) const STDERR: Wasi = Wasi {
    component: r#"
      (import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
      (alias export $io-error "error" (type $error))
      (import "wasi:io/streams@0.2.0" (instance $streams
        (export "output-stream" (type $o (sub resource)))
        (alias outer 1 $error (type $e0))
        (export "error" (type $e (eq $e0)))
        (type $s0 (variant (case "last-operation-failed" (own $e)) (case "closed")))
        (export "stream-error" (type $s (eq $s0)))
        (export "[method]output-stream.blocking-write-and-flush"
          (func (param "self" (borrow $o)) (param "contents" (list u8)) (result (result (error $s)))))))
      (alias export $streams "output-stream" (type $output))
      (import "wasi:cli/stderr@0.2.0" (instance $stderr-i
        (alias outer 1 $output (type $o0))
        (export "output-stream" (type $o (eq $o0)))
        (export "get-stderr" (func (result (own $o))))))
      (core func $stderr (canon lower (func $stderr-i "get-stderr")))
      (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $mem)))"#,
    name: "stderr",
    ty: "(result i32)",
};

/// Goes with [`STDERR`].
pub(in crate::tests) const WRITE: Wasi = Wasi { component: "", name: "write", ty: "(param i32 i32 i32 i32)" };

/// `wasi:config/store`: `$get` (key pointer and length, address of the result).
pub(in crate::tests) const CONFIG: Wasi = Wasi {
    component: r#"
      (import "wasi:config/store@0.2.0-rc.1" (instance $store
        (type $e0 (variant (case "upstream" string) (case "io" string)))
        (export "error" (type $e (eq $e0)))
        (export "get" (func (param "key" string) (result (result (option string) (error $e)))))))
      (core func $get (canon lower (func $store "get") (memory $mem) (realloc $realloc)))"#,
    name: "get",
    ty: "(param i32 i32 i32)",
};

/// `wasi:cli/environment`: `$env` (address of the result, a list of pairs).
pub(in crate::tests) const ENVIRONMENT: Wasi = Wasi {
    component: r#"
      (import "wasi:cli/environment@0.2.0" (instance $environment
        (export "get-environment" (func (result (list (tuple string string)))))))
      (core func $env (canon lower (func $environment "get-environment") (memory $mem) (realloc $realloc)))"#,
    name: "env",
    ty: "(param i32)",
};

/// `wasi:cli/exit`.
pub(in crate::tests) const EXIT: Wasi = Wasi {
    component: r#"
      (import "wasi:cli/exit@0.2.0" (instance $exit-i (export "exit" (func (param "status" (result))))))
      (core func $exit (canon lower (func $exit-i "exit")))"#,
    name: "exit",
    ty: "(param i32)",
};

/// `wasi:http/outgoing-handler`, imported and never called.
pub(in crate::tests) const HTTP: Wasi = Wasi {
    component: r#"
      (import "wasi:http/outgoing-handler@0.2.3" (instance))
      (core module $nothing (func (export "f")))
      (core instance $nothing-i (instantiate $nothing))
      (alias core export $nothing-i "f" (core func $http))"#,
    name: "http",
    ty: "",
};

/// `wasi:filesystem`: `$dirs` (address of the result, a list of handles and paths) and [`OPEN`].
pub(in crate::tests) const DIRS: Wasi = Wasi {
    component: r#"
      (import "wasi:filesystem/types@0.2.0" (instance $files
        (export "descriptor" (type $d (sub resource)))
        (type $path0 (flags "symlink-follow"))
        (export "path-flags" (type $path (eq $path0)))
        (type $open0 (flags "create" "directory" "exclusive" "truncate"))
        (export "open-flags" (type $open (eq $open0)))
        (type $flags0 (flags "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync"
          "mutate-directory"))
        (export "descriptor-flags" (type $flags (eq $flags0)))
        (type $e0 (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist" "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop" "too-many-links" "message-size" "name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory" "insufficient-space" "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device" "overflow" "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
        (export "error-code" (type $e (eq $e0)))
        (export "[method]descriptor.open-at" (func (param "self" (borrow $d)) (param "path-flags" $path)
          (param "path" string) (param "open-flags" $open) (param "flags" $flags)
          (result (result (own $d) (error $e)))))))
      (alias export $files "descriptor" (type $descriptor))
      (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
        (alias outer 1 $descriptor (type $d0))
        (export "descriptor" (type $d (eq $d0)))
        (export "get-directories" (func (result (list (tuple (own $d) string)))))))
      (core func $dirs (canon lower (func $preopens "get-directories") (memory $mem) (realloc $realloc)))
      (core func $open (canon lower (func $files "[method]descriptor.open-at") (memory $mem)))"#,
    name: "dirs",
    ty: "(param i32)",
};

/// Goes with [`DIRS`]: folder, path flags, path and its length, open flags, descriptor flags, address of the result.
pub(in crate::tests) const OPEN: Wasi = Wasi { component: "", name: "open", ty: "(param i32 i32 i32 i32 i32 i32 i32)" };

/// `wasi:sockets`: `$tcp` (address family, address of the result).
pub(in crate::tests) const TCP: Wasi = Wasi {
    component: r#"
      (import "wasi:sockets/network@0.2.0" (instance $network
        (type $e0 (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout" "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable" "address-in-use" "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large" "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
        (export "error-code" (type $e (eq $e0)))
        (type $f0 (enum "ipv4" "ipv6"))
        (export "ip-address-family" (type $f (eq $f0)))))
      (alias export $network "error-code" (type $socket-error))
      (alias export $network "ip-address-family" (type $family))
      (import "wasi:sockets/tcp@0.2.0" (instance $tcp-i (export "tcp-socket" (type (sub resource)))))
      (alias export $tcp-i "tcp-socket" (type $socket))
      (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
        (alias outer 1 $socket (type $s0))
        (export "tcp-socket" (type $s (eq $s0)))
        (alias outer 1 $socket-error (type $e0))
        (export "error-code" (type $e (eq $e0)))
        (alias outer 1 $family (type $f0))
        (export "ip-address-family" (type $f (eq $f0)))
        (export "create-tcp-socket" (func (param "address-family" $f) (result (result (own $s) (error $e)))))))
      (core func $tcp (canon lower (func $create "create-tcp-socket") (memory $mem)))"#,
    name: "tcp",
    ty: "(param i32 i32)",
};

/// `wasi:sockets`, for names: `$net` gives the network, [`RESOLVE`] looks up.
pub(in crate::tests) const NETWORK: Wasi = Wasi {
    component: r#"
      (import "wasi:sockets/network@0.2.0" (instance $network
        (export "network" (type (sub resource)))
        (type $e0 (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout" "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable" "address-in-use" "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large" "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
        (export "error-code" (type $e (eq $e0)))))
      (alias export $network "network" (type $net-type))
      (alias export $network "error-code" (type $net-error))
      (import "wasi:sockets/instance-network@0.2.0" (instance $instance-network
        (alias outer 1 $net-type (type $n0))
        (export "network" (type $n (eq $n0)))
        (export "instance-network" (func (result (own $n))))))
      (import "wasi:sockets/ip-name-lookup@0.2.0" (instance $lookup
        (export "resolve-address-stream" (type $s (sub resource)))
        (alias outer 1 $net-type (type $n0))
        (export "network" (type $n (eq $n0)))
        (alias outer 1 $net-error (type $e0))
        (export "error-code" (type $e (eq $e0)))
        (export "resolve-addresses" (func (param "network" (borrow $n)) (param "name" string)
          (result (result (own $s) (error $e)))))))
      (core func $net (canon lower (func $instance-network "instance-network")))
      (core func $resolve (canon lower (func $lookup "resolve-addresses") (memory $mem)))"#,
    name: "net",
    ty: "(result i32)",
};

/// Goes with [`NETWORK`]: network, name and its length, address of the result.
pub(in crate::tests) const RESOLVE: Wasi = Wasi { component: "", name: "resolve", ty: "(param i32 i32 i32 i32)" };

/// `wasi:keyvalue/store`: `$open` (name and its length, address of the result), and with it [`KV_GET`] and [`KV_SET`].
pub(in crate::tests) const KEY_VALUE: Wasi = Wasi {
    component: r#"
      (import "wasi:keyvalue/store@0.2.0-draft" (instance $kv
        (type $e0 (variant (case "no-such-store") (case "access-denied") (case "other" string)))
        (export "error" (type $e (eq $e0)))
        (export "bucket" (type $b (sub resource)))
        (export "open" (func (param "identifier" string) (result (result (own $b) (error $e)))))
        (export "[method]bucket.get" (func (param "self" (borrow $b)) (param "key" string)
          (result (result (option (list u8)) (error $e)))))
        (export "[method]bucket.set" (func (param "self" (borrow $b)) (param "key" string) (param "value" (list u8))
          (result (result (error $e)))))))
      (core func $kv-open (canon lower (func $kv "open") (memory $mem) (realloc $realloc)))
      (core func $kv-get (canon lower (func $kv "[method]bucket.get") (memory $mem) (realloc $realloc)))
      (core func $kv-set (canon lower (func $kv "[method]bucket.set") (memory $mem) (realloc $realloc)))"#,
    name: "kv-open",
    ty: "(param i32 i32 i32)",
};

/// Goes with [`KEY_VALUE`]: bucket, key and its length, address of the result.
pub(in crate::tests) const KV_GET: Wasi = Wasi { component: "", name: "kv-get", ty: "(param i32 i32 i32 i32)" };

/// Goes with [`KEY_VALUE`]: bucket, key and its length, value and its length, address of the result.
pub(in crate::tests) const KV_SET: Wasi = Wasi { component: "", name: "kv-set", ty: "(param i32 i32 i32 i32 i32 i32)" };
