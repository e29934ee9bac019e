//! Compiles the protos in pure Rust (protox, no protoc) into modules nested by package, and keeps the descriptor set
//! for reflection and for the import, which reads requests by description.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=projections");
    let mut files = Vec::new();
    protos(Path::new("proto"), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(&files)?;
    let encoded = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &encoded)?;

    let set = prost_types::FileDescriptorSet::decode(encoded.as_slice())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::grpc::MessageCodec")
        // Payloads are handed through, not copied.
        .bytes(".event_store.client")
        .include_file("protos.rs")
        .compile_fds(set)?;
    fs::write(out.join("projections.rs"), projections()?)?;
    Ok(())
}

/// The SQL folders that are compiled in: a constant of names, and of each its files with their texts.
fn projections() -> Result<String, Box<dyn Error>> {
    let root = fs::canonicalize("projections")?;
    let mut code = String::from("const FOLDERS: &[(&str, &[(&str, &str)])] = &[\n");
    for model in sorted(&root)? {
        let mut files = sorted(&model)?;
        for folder in ["on", "query"] {
            if model.join(folder).is_dir() {
                files.extend(sorted(&model.join(folder))?);
            }
        }
        let name = model.file_name().unwrap_or_default().to_string_lossy();
        writeln!(code, "    ({name:?}, &[")?;
        for file in files.iter().filter(|file| file.is_file()) {
            let inner = file.strip_prefix(&model)?.display().to_string();
            let file = file.display().to_string();
            writeln!(code, "        ({inner:?}, include_str!({file:?})),")?;
        }
        code.push_str("    ]),\n");
    }
    code.push_str("];\n");
    Ok(code)
}

fn sorted(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn protos(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            protos(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "proto") {
            files.push(path.strip_prefix("proto")?.to_path_buf());
        }
    }
    Ok(())
}
