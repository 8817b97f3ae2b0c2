# Runs the script of `reach.sh` in a container of the Docker inside main, or in a step of a build there. Both need an image:
# it is made of main's own tools, so that nothing is pulled. Arguments: `container` or `build`, the script, its arguments.
# Exits with 3 if there is no Docker, and with 4 if it cannot run one.
place=$1 script=$2
shift 2
command -v docker >/dev/null 2>&1 || { echo 'main has no docker command'; exit 3; }
docker version >/dev/null 2>&1 || { echo 'no Docker daemon answers in main'; exit 3; }

folder=$(mktemp -d) || exit 4
image=moat-net-verify:$$
trap 'rm -rf "$folder"; docker rmi -f "$image" >/dev/null 2>&1' EXIT

files=
for tool in sh bash busybox nc wget timeout; do
    it=$(command -v "$tool") && [ -f "$it" ] && files="$files $it $(ldd "$it" 2>/dev/null | grep -o '/[^ )]*')"
done
# Links are followed: where they lead differs between distributions. No file twice: the second would be a link to itself.
files=$(printf '%s\n' $files | sort -u)
tar -chf "$folder/tools.tar" $files 2>/dev/null || { echo 'main has no tar'; exit 4; }

if [ "$place" = container ]; then
    docker import "$folder/tools.tar" "$image" >/dev/null || exit 4
    docker run --rm "$image" sh -c "$script" moat "$@" || exit 4
    exit
fi
printf '%s\n' "$script" >"$folder/reach.sh"
words='"sh", "/reach.sh"'
for it; do words="$words, \"$it\""; done
printf 'FROM scratch\nADD tools.tar /\nCOPY reach.sh /reach.sh\nRUN [%s]\n' "$words" >"$folder/Dockerfile"
docker build --no-cache --progress plain --output type=cacheonly "$folder" 2>&1 || exit 4
