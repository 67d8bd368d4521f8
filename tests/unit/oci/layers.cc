#include "unit/oci/layers.h"

#include <archive.h>
#include <archive_entry.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "oci/digest.h"

namespace minikube::test {

namespace fs = std::filesystem;

namespace {

void AppendBlock(std::string& out, const TarEntry& entry, char type, const std::string& content) {
  char header[512] = {};
  const auto field = [&](std::size_t at, const std::string& text) {
    std::memcpy(header + at, text.data(), text.size());
  };
  field(0, entry.name.substr(0, 100));
  field(100, fmt::format("{:07o}", entry.mode));
  field(108, fmt::format("{:07o}", entry.uid));
  field(116, fmt::format("{:07o}", entry.gid));
  field(124, fmt::format("{:011o}", content.size()));
  field(136, fmt::format("{:011o}", 1'000'000'000));
  header[156] = type;
  field(157, entry.link.substr(0, 100));
  field(257, std::string("ustar\0"
                         "00",
                         8));
  field(329, fmt::format("{:07o}", entry.major));
  field(337, fmt::format("{:07o}", entry.minor));
  std::memset(header + 148, ' ', 8);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  field(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  out.append(header, sizeof header);
  out += content;
  out.resize((out.size() + 511) / 512 * 512);
}

}  // namespace

std::string Tar(const std::vector<TarEntry>& entries) {
  std::string out;
  for (const TarEntry& entry : entries) {
    if (!entry.xattrs.empty()) {
      std::string records;
      for (const auto& [name, value] : entry.xattrs) {
        const std::string rest = " SCHILY.xattr." + name + "=" + value + "\n";
        std::size_t length = rest.size() + 2;
        if (std::to_string(length).size() > 2) ++length;
        records += std::to_string(length) + rest;
      }
      AppendBlock(out, {"PaxHeader", 'x', "", "", 0644, 0, 0, 0, 0, {}}, 'x', records);
    }
    AppendBlock(out, entry, entry.type, entry.content);
  }
  out.append(1024, '\0');
  return out;
}

std::string Compress(const std::string& data, const std::string& filter) {
  std::string out(data.size() * 2 + 65536, '\0');
  std::size_t used = 0;
  archive* a = archive_write_new();
  archive_write_add_filter_by_name(a, filter.c_str());
  archive_write_set_format_raw(a);
  archive_write_set_bytes_per_block(a, 0);
  archive_write_open_memory(a, out.data(), out.size(), &used);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(a, entry);
  archive_write_data(a, data.data(), data.size());
  archive_entry_free(entry);
  archive_write_close(a);
  archive_write_free(a);
  out.resize(used);
  return out;
}

Scratch::Scratch() {
  std::string pattern = fs::temp_directory_path() / "minikube-oci-XXXXXX";
  path_ = mkdtemp(pattern.data());
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string Scratch::Write(const std::string& name, const std::string& data) const {
  const fs::path path = fs::path(path_) / name;
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << data;
  return path;
}

std::string Scratch::Read(const std::string& name) const {
  std::ifstream file(fs::path(path_) / name, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

bool Scratch::Has(const std::string& name) const { return fs::exists(fs::symlink_status(fs::path(path_) / name)); }

std::string LayoutBuilder::Blob(const std::string& data) const {
  const std::string digest = oci::DigestOf(data);
  dir_.Write(name_ + "/blobs/sha256/" + std::string(oci::HexOf(digest)), data);
  return digest;
}

std::string LayoutBuilder::Config(const std::vector<std::string>& layers, const std::string& config) {
  std::vector<std::string> ids;
  for (const std::string& layer : layers) ids.push_back("\"" + oci::DigestOf(layer) + "\"");
  return fmt::format(
      R"({{"architecture":"amd64","os":"linux","config":{},"rootfs":{{"type":"layers","diff_ids":[{}]}}}})", config,
      fmt::join(ids, ","));
}

std::string LayoutBuilder::Descriptor(const std::string& digest, const std::string& members) {
  return fmt::format(R"({{"digest":"{}"{}{}}})", digest, members.empty() ? "" : ",", members);
}

std::string LayoutBuilder::Image(const std::vector<std::string>& layers, const std::string& config) const {
  std::vector<std::string> descriptors;
  for (const std::string& layer : layers) descriptors.push_back(Descriptor(Blob(layer)));
  const std::string manifest = fmt::format(R"({{"schemaVersion":2,"config":{},"layers":[{}]}})",
                                           Descriptor(Blob(Config(layers, config))), fmt::join(descriptors, ","));
  return Blob(manifest);
}

void LayoutBuilder::Index(const std::vector<std::string>& descriptors) const {
  dir_.Write(name_ + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  dir_.Write(name_ + "/index.json",
             fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})", fmt::join(descriptors, ",")));
}

}  // namespace minikube::test
