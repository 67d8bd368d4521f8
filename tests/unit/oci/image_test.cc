// Images in, from layouts, archives and directories; what is wrong with one leaves nothing behind.
#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "oci/digest.h"
#include "oci/image_store.h"
#include "unit/oci/layers.h"

using namespace minikube;
using namespace minikube::oci;
using namespace minikube::test;

namespace fs = std::filesystem;

namespace {

bool IsRoot() {
  if (geteuid() == 0) return true;
  WARN("skipped: unpacking layers needs root");
  return false;
}

std::size_t Count(const std::string& dir) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir), fs::directory_iterator()));
}

const std::string kBase = Tar({File("base", "1"), Dir("etc"), File("etc/passwd", "root:x:0:0::/root:/bin/sh\n")});
const std::string kUpper = Tar({File("upper", "2")});

std::string RefName(const std::string& name) {
  return fmt::format(R"("annotations":{{"org.opencontainers.image.ref.name":"{}"}})", name);
}

}  // namespace

TEST_CASE("An OCI layout is imported", "[root]") {
  if (!IsRoot()) return;
  Scratch dir;
  const ImageStore store(dir / "store");
  const LayoutBuilder layout(dir);
  const std::string manifest = layout.Image(
      {kBase, kUpper}, R"({"Entrypoint":["/init"],"Cmd":["-v"],"User":"bob","Env":["A=1"],"StopSignal":"SIGQUIT"})");
  layout.Index({LayoutBuilder::Descriptor(manifest, RefName("example.org/team/app:1.2"))});

  const auto imported = store.Import(layout.path(), "", Origin::kImported);
  REQUIRE(imported.status().ToString() == "OK");
  REQUIRE(imported->size() == 1);
  const ImageInfo& info = imported->front();
  CHECK(info.reference == "example.org/team/app:1.2");
  CHECK(info.entrypoint == std::vector<std::string>{"/init"});
  CHECK(info.cmd == std::vector<std::string>{"-v"});
  CHECK(info.user == "bob");
  CHECK(info.size == 1 + 1 + 26);

  SECTION("and found by name, digest and ID") {
    for (const std::string& name :
         {std::string("example.org/team/app:1.2"), "example.org/team/app@" + manifest, info.id}) {
      CAPTURE(name);
      const auto found = store.Find(name);
      REQUIRE(found.ok());
      CHECK(found->id == info.id);
      CHECK(found->layers == std::vector<std::string>{DigestOf(kBase), DigestOf(kUpper)});
    }
    CHECK(store.Find("example.org/team/app").status().code() == Code::kNotFound);
    CHECK(store.Find("Not/Valid:x:y").status().code() == Code::kBadRequest);
    CHECK(store.Config(info.id)->stop_signal == 3);
  }
  SECTION("its layers are shared with the next image, and not unpacked twice") {
    const std::string file = store.layers_dir() + "/" + ImageStore::LayerPath(DigestOf(kBase)) + "/base";
    const auto before = fs::last_write_time(file);
    const LayoutBuilder other(dir, "other");
    other.Index({LayoutBuilder::Descriptor(other.Image({kBase}), RefName("other:1"))});
    REQUIRE(store.Import(other.path(), "", Origin::kImported).ok());
    CHECK(fs::last_write_time(file) == before);
    CHECK(Count(store.layers_dir()) == 2);
    CHECK(store.List().size() == 2);
    CHECK(store.Find("other:1")->reference == "docker.io/library/other:1");
  }
  SECTION("under another name, and replaced") {
    REQUIRE(store.Import(layout.path(), "renamed:x", Origin::kImported).ok());
    CHECK(store.Find("renamed:x")->id == info.id);
    const LayoutBuilder newer(dir, "newer");
    newer.Index({LayoutBuilder::Descriptor(newer.Image({kUpper}))});
    REQUIRE(store.Import(newer.path(), "renamed:x", Origin::kImported).ok());
    CHECK(store.Find("renamed:x")->id != info.id);
  }
  CHECK(Count(dir / "store/tmp") == 0);
}

TEST_CASE("Archives are imported", "[root]") {
  if (!IsRoot()) return;
  Scratch dir;
  const ImageStore store(dir / "store");
  SECTION("docker save, with a repeated layer as a link, two tags, compressed as a whole") {
    const std::string config = LayoutBuilder::Config({kBase, kUpper, kBase}, R"({"Cmd":["sh"]})");
    const std::string archive =
        Tar({File("manifest.json", R"([{"Config":"c.json","RepoTags":["app:1","example.org/app:2"],)"
                                   R"("Layers":["a/layer.tar","b/layer.tar","c/layer.tar"]}])"),
             File("c.json", config), Dir("a"), File("a/layer.tar", kBase),
             File("b/layer.tar", Compress(kUpper, "gzip")), Link('2', "c/layer.tar", "../a/layer.tar")});
    const auto imported = store.Import(dir.Write("saved.tar.gz", Compress(archive, "gzip")), "", Origin::kImported);
    REQUIRE(imported.status().ToString() == "OK");
    REQUIRE(imported->size() == 2);
    CHECK((*imported)[0].reference == "docker.io/library/app:1");
    CHECK((*imported)[1].reference == "example.org/app:2");
    CHECK((*imported)[0].id == DigestOf(config));
    CHECK(store.Find("app:1")->layers.size() == 3);
  }
  SECTION("an OCI archive without a name is called as its file") {
    const LayoutBuilder layout(dir);
    layout.Index({LayoutBuilder::Descriptor(layout.Image({kBase}), RefName("v3"))});
    std::vector<TarEntry> entries = {File("oci-layout", "{}"), File("index.json", dir.Read("layout/index.json"))};
    for (const auto& blob : fs::directory_iterator(dir / "layout/blobs/sha256")) {
      const std::string name = "blobs/sha256/" + blob.path().filename().string();
      entries.push_back(File(name, dir.Read("layout/" + name)));
    }
    const auto imported = store.Import(dir.Write("My-App.tar", Tar(entries)), "", Origin::kImported);
    REQUIRE(imported.status().ToString() == "OK");
    CHECK(imported->front().reference == "docker.io/library/my-app:v3");
  }
  SECTION("entries that lead out are refused") {
    const auto imported = store.Import(dir.Write("evil.tar", Tar({File("../../evil", "x")})), "x", Origin::kImported);
    CHECK(imported.status().code() == Code::kBadRequest);
    CHECK_FALSE(dir.Has("evil"));
  }
  SECTION("files named in manifest.json stay inside") {
    dir.Write("secret", "{}");
    const auto imported = store.Import(
        dir.Write("evil.tar", Tar({File("manifest.json", R"([{"Config":"../../../secret","Layers":[]}])")})), "x",
        Origin::kImported);
    CHECK(imported.status().code() == Code::kBadRequest);
  }
  CHECK(Count(dir / "store/tmp") == 0);
}

TEST_CASE("The image for this machine is chosen from an index", "[root]") {
  if (!IsRoot()) return;
  Scratch dir;
  const ImageStore store(dir / "store");
  const LayoutBuilder layout(dir);
  const auto platform = [](const std::string& architecture) {
    return fmt::format(R"("platform":{{"os":"linux","architecture":"{}"}})", architecture);
  };
#if defined(__x86_64__)
  const std::string ours = "amd64";
#else
  const std::string ours = "arm64";
#endif
  const std::string wanted = layout.Image({kBase}, R"({"Cmd":["ours"]})");
  const auto index_of = [&](const std::vector<std::string>& descriptors) {
    return layout.Blob(fmt::format(R"({{"manifests":[{}]}})", fmt::join(descriptors, ",")));
  };
  const std::string foreign = LayoutBuilder::Descriptor(layout.Image({kUpper}), platform("mips"));
  SECTION("nested") {
    const std::string index = index_of({foreign, LayoutBuilder::Descriptor(wanted, platform(ours))});
    layout.Index({LayoutBuilder::Descriptor(index)});
    const auto imported = store.Import(layout.path(), "app", Origin::kImported);
    REQUIRE(imported.status().ToString() == "OK");
    CHECK(imported->front().cmd == std::vector<std::string>{"ours"});
  }
  SECTION("not offered") {
    layout.Index({LayoutBuilder::Descriptor(index_of({foreign}))});
    const auto imported = store.Import(layout.path(), "app", Origin::kImported);
    CHECK(imported.status().code() == Code::kBadRequest);
    CHECK_THAT(imported.status().message(), Catch::Contains("linux/mips"));
  }
  SECTION("an index nested without end") {
    std::string digest = index_of({LayoutBuilder::Descriptor(wanted)});
    for (int i = 0; i < 20; ++i) digest = index_of({LayoutBuilder::Descriptor(digest)});
    layout.Index({LayoutBuilder::Descriptor(digest)});
    CHECK(store.Import(layout.path(), "app", Origin::kImported).status().code() == Code::kBadRequest);
  }
}

TEST_CASE("A bad image leaves no reference, and rubbish goes with the next import", "[root]") {
  if (!IsRoot()) return;
  Scratch dir;
  const ImageStore store(dir / "store");
  const LayoutBuilder layout(dir);
  const auto import = [&] { return store.Import(layout.path(), "app", Origin::kImported).status(); };
  const auto blob_path = [](const std::string& digest) { return "layout/blobs/sha256/" + std::string(HexOf(digest)); };

  SECTION("no index") {
    fs::create_directories(layout.path());
    CHECK(import().code() == Code::kBadRequest);
  }
  SECTION("a changed configuration") {
    const std::string manifest = layout.Image({kBase});
    dir.Write(blob_path(DigestOf(LayoutBuilder::Config({kBase}, "{}"))),
              LayoutBuilder::Config({kBase}, R"({"User":"root"})"));
    layout.Index({LayoutBuilder::Descriptor(manifest)});
    CHECK(import().code() == Code::kBadRequest);
  }
  SECTION("a changed layer") {
    const std::string manifest = layout.Image({kBase, kUpper});
    dir.Write(blob_path(DigestOf(kUpper)), Tar({File("upper", "3")}));
    layout.Index({LayoutBuilder::Descriptor(manifest)});
    CHECK(import().code() == Code::kBadRequest);
  }
  SECTION("a missing layer") {
    const std::string manifest = layout.Image({kBase, kUpper});
    fs::remove(dir / blob_path(DigestOf(kUpper)));
    layout.Index({LayoutBuilder::Descriptor(manifest)});
    CHECK(import().code() == Code::kNotFound);
  }
  SECTION("a digest that is a path") {
    layout.Index({LayoutBuilder::Descriptor("sha256:../../../../etc/passwd")});
    CHECK(import().code() == Code::kBadRequest);
  }
  SECTION("more diff IDs than layers") {
    const std::string config = layout.Blob(LayoutBuilder::Config({kBase, kUpper}, "{}"));
    const std::string manifest = layout.Blob(fmt::format(R"({{"config":{{"digest":"{}"}},"layers":[]}})", config));
    layout.Index({LayoutBuilder::Descriptor(manifest)});
    CHECK(import().code() == Code::kBadRequest);
  }
  SECTION("members of wrong types") {
    for (const char* config :
         {R"({"Env":"x"})", R"({"Cmd":[1]})", R"({"User":{}})", R"([])", R"({"StopSignal":"SIGNONE"})"}) {
      CAPTURE(config);
      layout.Index({LayoutBuilder::Descriptor(layout.Image({kBase}, config))});
      CHECK(import().code() == Code::kBadRequest);
    }
  }
  CHECK(store.List().empty());

  dir.Write("store/tmp/layer-7/fs/left", "by a crash");
  const LayoutBuilder good(dir, "good");
  good.Index({LayoutBuilder::Descriptor(good.Image({kBase}))});
  REQUIRE(store.Import(good.path(), "good", Origin::kImported).status().ToString() == "OK");
  CHECK(Count(dir / "store/tmp") == 0);
}

TEST_CASE("A directory is packed and comes out as it went in", "[root]") {
  if (!IsRoot()) return;
  Scratch dir;
  dir.Write("rootfs/bin/tool", "program");
  fs::permissions(dir / "rootfs/bin/tool", fs::perms::owner_all);
  fs::create_hard_link(dir / "rootfs/bin/tool", dir / "rootfs/bin/alias");
  fs::create_symlink("tool", dir / "rootfs/bin/link");
  dir.Write("rootfs/\xc3\xbc", "name");
  ImagePackOptions options;
  options.rootfs = dir / "rootfs";
  options.name = "packed";
  options.entrypoint = {"/bin/tool"};
  options.env = {"A=b"};
  const auto packed = PackImage(dir / "root", options);
  REQUIRE(packed.status().ToString() == "OK");
  CHECK(packed->reference == "docker.io/library/packed:latest");
  CHECK(packed->entrypoint == std::vector<std::string>{"/bin/tool"});
  const ImageStore store(dir / "root/images");
  const auto image = store.Find("packed");
  REQUIRE(image.ok());
  REQUIRE(image->layers.size() == 1);
  const fs::path layer = fs::path(store.layers_dir()) / ImageStore::LayerPath(image->layers[0]);
  CHECK(fs::hard_link_count(layer / "bin/alias") == 2);
  CHECK(fs::read_symlink(layer / "bin/link") == "tool");
  CHECK(fs::exists(layer / "\xc3\xbc"));
  CHECK((fs::status(layer / "bin/tool").permissions() & fs::perms::all) == fs::perms::owner_all);

  // The same tree again is the same layer.
  options.name = "again";
  REQUIRE(PackImage(dir / "root", options).ok());
  CHECK(store.Find("again")->id == image->id);

  options.rootfs = dir / "missing";
  CHECK(PackImage(dir / "root", options).status().code() == Code::kNotFound);
  options.rootfs = dir / "rootfs";
  options.name = "Bad Name";
  CHECK(PackImage(dir / "root", options).status().code() == Code::kBadRequest);
}
