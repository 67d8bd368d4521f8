// Layers become directories; hostile ones become errors.
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "oci/digest.h"
#include "oci/layer.h"
#include "unit/oci/layers.h"

using namespace minikube;
using namespace minikube::oci;
using namespace minikube::test;

namespace {

bool IsRoot() {
  if (geteuid() == 0) return true;
  WARN("skipped: unpacking layers needs root");
  return false;
}

struct Unpacked {
  Scratch dir;
  Result<LayerResult> result = Status(Code::kInternal, "not yet");
};

void Unpack(Unpacked& out, const std::string& blob, LayerSource expected = {}, const LayerLimits& limits = {}) {
  expected.path = out.dir.Write("blob", blob);
  std::filesystem::create_directories(out.dir / "fs");
  out.result = UnpackLayer(expected, out.dir / "fs", limits);
}

bool IsWhiteout(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
}

bool IsOpaque(const std::string& path) {
  char value = 0;
  return lgetxattr(path.c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

}  // namespace

TEST_CASE("A layer's files, links, owners, modes and times arrive", "[root]") {
  if (!IsRoot()) return;
  TarEntry owned = File("./usr/bin/tool", "program", 04755);
  owned.uid = 12;
  owned.gid = 34;
  owned.xattrs = {{"user.note", "kept"}, {"trusted.overlay.opaque", "y"}, {"trusted.other", "x"}};
  const std::string tar = Tar({Dir("./", 0711),
                               Dir("./usr", 0750),
                               owned,
                               Link('2', "link", "usr/bin/tool"),
                               Link('1', "hard", "usr/bin/tool"),
                               File("made/parents/file", "x"),
                               File("\xc3\xbc\xe2\x82\xac", "utf-8"),
                               {"pipe", '6', "", "", 0600}});
  for (const std::string filter : {"none", "gzip", "zstd", "xz", "bzip2"}) {
    CAPTURE(filter);
    const std::string blob = filter == "none" ? tar : Compress(tar, filter);
    Unpacked out;
    Unpack(out, blob, {"", DigestOf(blob), DigestOf(tar)});
    REQUIRE(out.result.status().ToString() == "OK");
    CHECK(out.result->diff_id == DigestOf(tar));
    CHECK(out.result->size == 7 + 1 + 5);
    struct stat info {};
    REQUIRE(stat((out.dir / "fs/usr/bin/tool").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 04755);
    CHECK(info.st_uid == 12);
    CHECK(info.st_gid == 34);
    CHECK(info.st_mtime == 1'000'000'000);
    CHECK(info.st_nlink == 2);
    char value[16];
    CHECK(getxattr((out.dir / "fs/usr/bin/tool").c_str(), "user.note", value, sizeof value) == 4);
    CHECK(getxattr((out.dir / "fs/usr/bin/tool").c_str(), "trusted.overlay.opaque", value, sizeof value) < 0);
    CHECK(getxattr((out.dir / "fs/usr/bin/tool").c_str(), "trusted.other", value, sizeof value) < 0);
    CHECK(std::filesystem::read_symlink(out.dir / "fs/link") == "usr/bin/tool");
    CHECK(out.dir.Read("fs/hard") == "program");
    CHECK(out.dir.Read("fs/made/parents/file") == "x");
    CHECK(out.dir.Read("fs/\xc3\xbc\xe2\x82\xac") == "utf-8");
    REQUIRE(stat((out.dir / "fs/usr").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0750);
    CHECK(info.st_mtime == 1'000'000'000);
    REQUIRE(stat((out.dir / "fs").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0711);
    REQUIRE(stat((out.dir / "fs/pipe").c_str(), &info) == 0);
    CHECK(S_ISFIFO(info.st_mode));
  }
}

TEST_CASE("Whiteouts take overlayfs' form", "[root]") {
  if (!IsRoot()) return;
  Unpacked out;
  Unpack(out, Tar({File("etc/.wh.passwd", ""), Dir("opt"), File("opt/.wh..wh..opq", ""), File("opt/new", "n"),
                   Dir("replaced"), File("replaced/x", "x"), File(".wh.replaced", ""), File(".wh.later", ""),
                   Dir("later"), File(".wh..wh.plnk", ""), File("file", "old"), File("file", "new")}));
  REQUIRE(out.result.status().ToString() == "OK");
  CHECK(IsWhiteout(out.dir / "fs/etc/passwd"));
  CHECK_FALSE(out.dir.Has("fs/etc/.wh.passwd"));
  CHECK(IsOpaque(out.dir / "fs/opt"));
  CHECK(out.dir.Read("fs/opt/new") == "n");
  // A whiteout hides what is below this layer, not what this layer has itself, in whichever order they come.
  CHECK(out.dir.Read("fs/replaced/x") == "x");
  CHECK(IsOpaque(out.dir / "fs/replaced"));
  CHECK(IsOpaque(out.dir / "fs/later"));
  CHECK_FALSE(out.dir.Has("fs/.wh..wh.plnk"));
  CHECK_FALSE(out.dir.Has("fs/plnk"));
  CHECK(out.dir.Read("fs/file") == "new");
}

TEST_CASE("No entry leads out of the layer", "[root]") {
  if (!IsRoot()) return;
  Scratch outside;
  outside.Write("victim", "untouched");
  const std::string target = outside.path();
  std::vector<TarEntry> attack;
  SECTION("names with ..") { attack = {File("../escaped", "x")}; }
  SECTION("names with .. inside") { attack = {Dir("a"), File("a/../../escaped", "x")}; }
  SECTION("a whiteout of ..") { attack = {File(".wh...", "")}; }
  SECTION("a hard link out by ..") { attack = {Link('1', "stolen", "../../../../../../etc/passwd")}; }
  SECTION("a hard link out by an absolute name") { attack = {Link('1', "stolen", target + "/victim")}; }
  SECTION("a hard link through a link") { attack = {Link('2', "evil", target), Link('1', "stolen", "evil/victim")}; }
  SECTION("a forged whiteout") {
    TarEntry device{"gone", '3'};
    attack = {device};
  }
  SECTION("a hard link to a whiteout") { attack = {File(".wh.a", ""), Link('1', "b", "a")}; }
  SECTION("the root as a file") { attack = {File("./", "x")}; }
  SECTION("an empty link") { attack = {Link('2', "empty", "")}; }
  Unpacked out;
  Unpack(out, Tar(attack));
  CHECK(out.result.status().code() == Code::kBadRequest);
  CHECK_FALSE(out.dir.Has("escaped"));
  CHECK(outside.Read("victim") == "untouched");
  CHECK_FALSE(out.dir.Has("fs/stolen"));
}

TEST_CASE("Links in parent directories resolve inside the layer", "[root]") {
  if (!IsRoot()) return;
  Scratch outside;
  outside.Write("victim", "untouched");
  SECTION("to a directory of this machine") {
    Unpacked out;
    Unpack(out, Tar({Link('2', "evil", outside.path()), File("evil/victim", "overwritten")}));
    // The name dangles inside the layer: an error, and nothing outside is changed.
    CHECK_FALSE(out.result.ok());
    CHECK(outside.Read("victim") == "untouched");
  }
  SECTION("to the root") {
    Unpacked out;
    Unpack(out, Tar({Link('2', "evil", "/"), File("evil/owned", "x")}));
    REQUIRE(out.result.ok());
    CHECK(out.dir.Read("fs/owned") == "x");
    CHECK_FALSE(std::filesystem::exists("/owned"));
  }
  SECTION("upwards") {
    Unpacked out;
    Unpack(out, Tar({Link('2', "up", "../../../.."), File("up/inside", "x")}));
    REQUIRE(out.result.ok());
    CHECK(out.dir.Read("fs/inside") == "x");
  }
  SECTION("a file over a link replaces the link, not its target") {
    Unpacked out;
    Unpack(out, Tar({Link('2', "name", outside / "victim"), File("name", "mine")}));
    REQUIRE(out.result.ok());
    CHECK(out.dir.Read("fs/name") == "mine");
    CHECK(outside.Read("victim") == "untouched");
  }
}

TEST_CASE("Digests, limits and malformed input", "[root]") {
  if (!IsRoot()) return;
  const std::string tar = Tar({File("a", std::string(5000, 'a')), File("b", "b")});
  const std::string wrong = DigestOf("something else");
  Unpacked out;
  SECTION("the blob's digest") {
    Unpack(out, tar, {"", wrong, ""});
    CHECK(out.result.status().code() == Code::kBadRequest);
  }
  SECTION("the diff ID") {
    Unpack(out, Compress(tar, "gzip"), {"", "", wrong});
    CHECK(out.result.status().code() == Code::kBadRequest);
  }
  SECTION("bytes after the end count in the digest") {
    const std::string longer = tar + "trailing";
    Unpack(out, longer, {"", DigestOf(longer), DigestOf(longer)});
    CHECK(out.result.status().ToString() == "OK");
  }
  SECTION("too large") {
    LayerLimits limits;
    limits.max_bytes = 5000;
    Unpack(out, tar, {}, limits);
    CHECK(out.result.status().code() == Code::kTooLarge);
  }
  SECTION("too many") {
    LayerLimits limits;
    limits.max_entries = 1;
    Unpack(out, tar, {}, limits);
    CHECK(out.result.status().code() == Code::kTooLarge);
  }
  SECTION("cut off") {
    Unpack(out, tar.substr(0, 2000));
    CHECK(out.result.status().code() == Code::kBadRequest);
  }
  SECTION("cut off inside the compression") {
    const std::string gz = Compress(tar, "gzip");
    Unpack(out, gz.substr(0, gz.size() / 2));
    CHECK(out.result.status().code() == Code::kBadRequest);
  }
  SECTION("not a tar") {
    Unpack(out, "this is a text of no particular format, and long enough to be looked at");
    CHECK(out.result.status().code() == Code::kBadRequest);
  }
  SECTION("every prefix and every flipped byte is an answer, not a crash") {
    const std::string small = Tar({Dir("d"), File("d/f", "x"), Link('1', "h", "d/f"), File("d/.wh.g", "")});
    for (std::size_t i = 0; i < small.size() - 1024; i += 7) {
      std::string changed = small;
      changed[i] = static_cast<char>(changed[i] ^ 0x55);
      Unpacked each;
      Unpack(each, changed, {"", "", DigestOf(small)});
      CHECK_FALSE(each.result.ok());
    }
  }
}
