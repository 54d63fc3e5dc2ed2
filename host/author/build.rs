//! The SDKs, the contract and the templates are part of this program: a file that is added there makes it stale.

fn main() {
    for folder in ["templates", "../../plugin-sdk", "../../wit"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
