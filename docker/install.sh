#!/bin/sh
# Install petmood with the given extras, without what no image needs: the tests of packages, and tools for language models.
set -eu
uv pip install ${TORCH:+--torch-backend="$TORCH"} ".[$1]"
rm "$VIRTUAL_ENV/.lock"
find "$VIRTUAL_ENV"/lib/python*/site-packages -type d \
  '(' -name tests -o -path '*/onnxruntime/transformers' ')' -prune -exec rm -r '{}' +
