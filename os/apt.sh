# Packages of a Debian release, whatever this host runs: an apt of its own (sources, state, cache), verified with
# Debian's keyring. Sourced by build.sh and ipxe.sh; needs no root and leaves the host's apt alone.

# need_programs WHAT PROGRAM:PACKAGE… : ends the script when this host lacks some, and says which packages have them
need_programs() {
  local what=$1 pair programs='' packages=''
  shift
  command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null ||
    { echo "$what: it is made from Debian's packages, and this host has no apt-get and dpkg-deb: run this on Debian or Ubuntu" >&2; exit 1; }
  for pair in "$@"; do
    command -v "${pair%%:*}" > /dev/null || { programs+=" ${pair%%:*}" packages+=" ${pair#*:}"; }
  done
  [ -f $debian_keyring ] || { programs+=" $debian_keyring" packages+=' debian-archive-keyring'; }
  [ -z "$programs" ] || { echo "$what: missing on this host:$programs (apt-get install$packages)" >&2; exit 1; }
}
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# apt_prepare SUITE FOLDER [ARCHITECTURE] : makes the apt state below FOLDER, for Debian's amd64 or another architecture
apt_prepare() {
  local suite=$1 folder=$2 architecture=${3:-amd64} keyring=$debian_keyring mirror
  mirror=$(apt_mirror)
  mkdir -p "$folder"/etc/none "$folder"/lists/partial "$folder"/archives/partial "$folder"/state
  folder=$(cd "$folder" && pwd)
  : > "$folder/state/status"
  {
    echo "deb [signed-by=$keyring] $mirror $suite main"
    [ "$suite" = sid ] || echo "deb [signed-by=$keyring] $mirror $suite-updates main"
    [ "$suite" = sid ] || echo "deb [signed-by=$keyring] $(apt_security_mirror "$mirror") $suite-security main"
  } > "$folder/etc/sources.list"
  APT_CONFIG=$folder/etc/apt.conf
  {
    # The host's proxies are kept; its hooks (some delete downloaded packages) are not.
    env -u APT_CONFIG apt-config dump | grep -iE '^Acquire::.*proxy' || true
    cat <<CONF
Dir::Etc::Parts "$folder/etc/none";
Dir::Etc::SourceList "$folder/etc/sources.list";
Dir::Etc::SourceParts "$folder/etc/none";
Dir::Etc::PreferencesParts "$folder/etc/none";
Dir::State "$folder/state";
Dir::State::Lists "$folder/lists";
Dir::State::status "$folder/state/status";
Dir::Cache "$folder/";
Dir::Cache::archives "$folder/archives";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
  } > "$APT_CONFIG"
  export APT_CONFIG
}

# The mirror of this host if it runs Debian, else Debian's own. IRONWAKE_DEBIAN_MIRROR wins.
apt_mirror() {
  local found
  [ -n "${IRONWAKE_DEBIAN_MIRROR:-}" ] && { echo "$IRONWAKE_DEBIAN_MIRROR"; return; }
  found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    grep -E '^(deb |URIs:)' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | sed 's,/* *$,,')
  echo "${found:-http://deb.debian.org/debian}"
}

apt_security_mirror() {
  case $1 in *deb.debian.org/debian) echo "$1-security" ;; *) echo "${IRONWAKE_DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}" ;; esac
}

# apt_update : reads the package lists
apt_update() { apt-get -qq update; }

# apt_version PACKAGE : the version that would be installed
apt_version() { apt-cache policy "$1" | sed -n 's/^  Candidate: //p'; }

# apt_fetch FOLDER PACKAGE=VERSION… : downloads what FOLDER lacks; a download that breaks off leaves nothing there
apt_fetch() {
  local folder=$1 spec missing=()
  shift
  mkdir -p "$folder/partial"
  for spec in "$@"; do
    deb_of "$folder" "$spec" > /dev/null || missing+=("$spec")
  done
  [ ${#missing[@]} -eq 0 ] && return
  echo "downloading ${#missing[@]} packages"
  rm -f "$folder"/partial/*
  (cd "$folder/partial" && apt-get -qq download "${missing[@]}") || return
  mv "$folder"/partial/*.deb "$folder/"
}

# deb_of FOLDER PACKAGE=VERSION : its file in FOLDER; fails when there is none
deb_of() {
  local version=${2#*=}
  compgen -G "$1/${2%%=*}_${version//:/%3a}_*.deb" | head -n 1 | grep .
}

# cache_lock CACHE, cache_unlock : one build at a time changes the cache
cache_lock() { exec 8> "$1/.lock" && flock 8; }
cache_unlock() { exec 8>&-; }
