"""Makes a crate of the integration tests in the package of an official Rust client: rust_suite.py NAME VERSION DIR

Every test_... function becomes a test of its own, on a client of the node at SERVED_AT.
"""
import json
import pathlib
import re
import subprocess
import sys

SUITES = ["streams", "persistent_subscriptions", "operations"]

MANIFEST = """[package]
name = "suite-{name}"
version = "0.0.0"
edition = "2021"

[dependencies]
{name} = "={version}"
chrono = "0.4"
eyre = "0.6"
futures = "0.3"
names = "0.14"
serde_json = "1"
tokio = {{ version = "1", features = ["full"] }}
tracing = "0.1"
uuid = {{ version = "1", features = ["v4"] }}

[profile.dev]
debug = false

[workspace]
"""

LIBRARY = """#![cfg(test)]
#![allow(unused)]
mod common;
{modules}

fn client() -> {name}::Client {{
    let node = std::env::var("SERVED_AT").unwrap();
    let settings = format!("esdb://{{node}}?tls=false&defaultDeadline=60000");
    {name}::Client::new(settings.parse().unwrap()).unwrap()
}}
"""

CASE = """
    #[tokio::test(flavor = "multi_thread")]
    async fn {function}() {{
        let client = crate::client(){into};
        super::{function}(&client{names}).await.unwrap();
    }}
"""


def cases(source):
    """The tests that the suite itself calls."""
    called = set(re.findall(r"\b(test_\w+)\(", source[source.index("pub async fn tests("):]))
    found = re.findall(r"async fn (test_\w+)\(([^)]*)\)", source)
    made = []
    for function, parameters in found:
        if function not in called:
            continue
        into = ".into()" if "operations::Client" in parameters else ""
        names = ", &mut names::Generator::default()" if "names" in parameters else ""
        case = CASE.format(function=function, into=into, names=names)
        if into:
            case = case.replace("let client =", "let client: operations::Client =")
        made.append(case)
    return f"\nmod cases {{\n    use super::*;\n{''.join(made)}}}\n"


def main():
    name, version, where = sys.argv[1:]
    where = pathlib.Path(where)
    (where / "src").mkdir(parents=True, exist_ok=True)
    (where / "Cargo.toml").write_text(MANIFEST.format(name=name, version=version))
    modules = "\n".join(f"mod {suite};" for suite in SUITES)
    (where / "src/lib.rs").write_text(LIBRARY.format(name=name, modules=modules))
    metadata = subprocess.run(["cargo", "metadata", "--format-version=1"], cwd=where, check=True, capture_output=True)
    packages = json.loads(metadata.stdout)["packages"]
    shipped = next(pathlib.Path(package["manifest_path"]).parent for package in packages if package["name"] == name)
    (where / "src/common.rs").write_text((shipped / "tests/common.rs").read_text())
    for suite in SUITES:
        source = (shipped / f"tests/api/{suite}.rs").read_text()
        (where / f"src/{suite}.rs").write_text(source + cases(source))


main()
