// Layers and images made by hand, byte by byte, so that they can be as wrong as an attacker's.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace minikube::test {

struct TarEntry {
  std::string name;
  char type = '0';  // '0' file, '1' hard link, '2' symbolic link, '3' and '4' devices, '5' directory, '6' fifo
  std::string content;
  std::string link;
  unsigned mode = 0644;
  unsigned uid = 0;
  unsigned gid = 0;
  unsigned major = 0;
  unsigned minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

inline TarEntry File(std::string name, std::string content, unsigned mode = 0644) {
  TarEntry entry;
  entry.name = std::move(name);
  entry.content = std::move(content);
  entry.mode = mode;
  return entry;
}
inline TarEntry Dir(std::string name, unsigned mode = 0755) {
  TarEntry entry;
  entry.name = std::move(name);
  entry.type = '5';
  entry.mode = mode;
  return entry;
}
inline TarEntry Link(char type, std::string name, std::string to) {
  TarEntry entry;
  entry.name = std::move(name);
  entry.type = type;
  entry.link = std::move(to);
  return entry;
}

// A tar (ustar, with pax records for attributes).
std::string Tar(const std::vector<TarEntry>& entries);

// By libarchive: "gzip", "zstd", "xz", "bzip2".
std::string Compress(const std::string& data, const std::string& filter);

// A directory to be thrown away, with a few ways to fill it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file, making its directories; its path.
  std::string Write(const std::string& name, const std::string& data) const;
  std::string Read(const std::string& name) const;
  bool Has(const std::string& name) const;

 private:
  std::string path_;
};

// An OCI layout in the making.
class LayoutBuilder {
 public:
  explicit LayoutBuilder(const Scratch& dir, std::string name = "layout") : dir_(dir), name_(std::move(name)) {}
  std::string path() const { return dir_ / name_; }
  // Adds a blob; its digest.
  std::string Blob(const std::string& data) const;
  // Adds manifest and configuration of an image of these (uncompressed) layers; a descriptor of the manifest.
  std::string Image(const std::vector<std::string>& layers, const std::string& config = "{}") const;
  // An image's configuration over `layers`.
  static std::string Config(const std::vector<std::string>& layers, const std::string& config);
  // Writes index.json of `descriptors` (JSON objects).
  void Index(const std::vector<std::string>& descriptors) const;
  static std::string Descriptor(const std::string& digest, const std::string& members = "");

 private:
  const Scratch& dir_;
  std::string name_;
};

}  // namespace minikube::test
