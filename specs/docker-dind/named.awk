# Prints the images that a Dockerfile names, and the platform if it is given there.
function value(name) { return name in given ? given[name] : preset[name] }

# Replaces $NAME, ${NAME}, ${NAME:-text} and ${NAME:+text}.
function expand(text,    out, name, other, kind) {
    while (match(text, /\$(\{[A-Za-z_][A-Za-z_0-9]*(:?[-+][^}]*)?\}|[A-Za-z_][A-Za-z_0-9]*)/)) {
        out = out substr(text, 1, RSTART - 1)
        name = substr(text, RSTART + 1, RLENGTH - 1)
        text = substr(text, RSTART + RLENGTH)
        gsub(/^\{|\}$/, "", name)
        kind = other = ""
        if (match(name, /:?[-+]/)) {
            kind = substr(name, RSTART + RLENGTH - 1, 1)
            other = substr(name, RSTART + RLENGTH)
            name = substr(name, 1, RSTART - 1)
        }
        if (kind == "-" && value(name) == "" || kind == "+" && value(name) != "") out = out other
        else if (kind != "+") out = out value(name)
    }
    return out text
}

function bare(text) { gsub(/["']/, "", text); return text }

function use(name, platform) { names[++count] = bare(expand(name)); platforms[count] = platform }

function instruction(line,    words, parts, n, i, name, at, platform) {
    sub(/^[ \t]+/, "", line)
    n = split(line, words, /[ \t\r]+/)
    name = toupper(words[1])
    if (name == "ARG" && !froms) {
        for (i = 2; i <= n; i++) if (at = index(words[i], "="))
            preset[substr(words[i], 1, at - 1)] = bare(expand(substr(words[i], at + 1)))
        return
    }
    for (i = 2; words[i] ~ /^--/; i++) {
        if (name == "FROM") {
            # A variable is the platform of the build or the target.
            if (words[i] ~ /^--platform=[^$]*$/) platform = substr(words[i], 12)
            continue
        }
        at = split(substr(words[i], 3), parts, ",")
        sub(/^mount=/, "", parts[1])
        for (; at; at--) if (parts[at] ~ /^from=/) use(substr(parts[at], 6), "")
    }
    if (name == "FROM") {
        froms++
        use(words[i], platform)
        if (toupper(words[i + 1]) == "AS") stages[tolower(words[i + 2])] = 1
    }
}

BEGIN {
    n = split(ENVIRON["args"], lines, "\n")
    for (i = 1; i <= n; i++) if (at = index(lines[i], "="))
        given[substr(lines[i], 1, at - 1)] = substr(lines[i], at + 1)
}
/^[ \t]*#/ { next }
{ line = line $0 }
sub(/\\[ \t\r]*$/, " ", line) { next }
{ instruction(line); line = "" }
END {
    for (i = 1; i <= count; i++) {
        name = names[i]
        # A number is a stage, and a digest fixes the content.
        if (name == "" || name == "scratch" || name ~ /^[0-9]+$|[@$]/ || tolower(name) in stages || seen[name]++) continue
        print name, platforms[i]
    }
}
