# Reads the JSON that `docker buildx bake --print` writes, and writes the properties of each target to a folder in `dir`.
function text(json) {
    sub(/,$/, "", json); gsub(/^"|"$/, "", json)
    gsub(/\\u003c/, "<", json); gsub(/\\u003e/, ">", json); gsub(/\\u0026/, "\\&", json)
    gsub(/\\\\/, "\001", json); gsub(/\\n/, "\n", json); gsub(/\\t/, "\t", json); gsub(/\\"/, "\"", json)
    gsub(/\001/, "\\", json)
    return json
}
function put(property, value) { print value >(folder "/" property) }

/^  "/ { in_targets = /^  "target"/ }
!in_targets { next }
{ match($0, /^ */); depth = RLENGTH; line = substr($0, depth + 1); key = line; sub(/": .*/, "", key); key = substr(key, 2) }
depth == 4 && /\{$/ { folder = dir "/" ++count; system("mkdir -p " folder); put("name", text("\"" key "\"")) }
depth == 6 && /[{[]$/ { list = key }
depth == 6 && !/[{[]$/ && /": / { put(key, text(substr(line, length(key) + 5))) }
depth == 8 && list == "args" { put("args", text("\"" key "\"") "=" text(substr(line, length(key) + 5))) }
depth == 8 && list == "contexts" {
    put("contexts", text("\"" key "\""))
    value = text(substr(line, length(key) + 5))
    if (sub(/^docker-image:\/\//, "", value)) put("images", text("\"" key "\"") "=" value)
}
depth == 8 && list == "platforms" { put("platforms", text(line)) }
