#include "cel/library/time_zone.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace minikube::cel {
namespace {

constexpr std::size_t kMaxFile = 64 * 1024;
constexpr std::size_t kMaxZones = 1000;  // there are some 600 names

struct Zone {
  std::vector<std::int64_t> transitions;  // instants, ascending
  std::vector<std::int64_t> offsets;      // from each on
  std::int64_t first_offset = 0;
};

bool IsZoneName(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '+' || c == '/';
  };
  return !name.empty() && name.size() < 64 && name.front() != '/' && std::all_of(name.begin(), name.end(), good);
}

std::int64_t BigEndian(std::string_view data, std::size_t at, std::size_t bytes) {
  std::uint64_t value = (static_cast<unsigned char>(data[at]) & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(data[at + i]);
  return static_cast<std::int64_t>(value);
}

struct Header {
  std::size_t transitions, types, abbreviations, leaps, standard, universal;
  std::size_t Size(std::size_t time_bytes) const {
    return 44 + transitions * (time_bytes + 1) + types * 6 + abbreviations + leaps * (time_bytes + 4) + standard +
           universal;
  }
};

bool ReadHeader(std::string_view data, Header* out) {
  if (data.size() < 44 || !data.starts_with("TZif")) return false;
  const auto count = [&](std::size_t i) { return static_cast<std::size_t>(BigEndian(data, 20 + i * 4, 4)); };
  *out = {count(3), count(4), count(5), count(2), count(1), count(0)};
  // Counts beyond the file's size are no counts.
  return std::max({out->transitions, out->types, out->abbreviations, out->leaps, out->standard, out->universal}) <
         kMaxFile;
}

// The second, 64-bit part of the file (versions 2 and later), else the first.
std::shared_ptr<const Zone> ParseZone(std::string_view data) {
  Header header{};
  if (!ReadHeader(data, &header)) return nullptr;
  std::size_t time_bytes = 4;
  if (data[4] >= '2' && data.size() > header.Size(4)) {
    data.remove_prefix(header.Size(4));
    time_bytes = 8;
    if (!ReadHeader(data, &header)) return nullptr;
  }
  if (header.types == 0 || data.size() < header.Size(time_bytes)) return nullptr;
  const std::size_t indexes = 44 + header.transitions * time_bytes;
  const std::size_t types = indexes + header.transitions;
  const auto offset_of = [&](std::size_t type) { return BigEndian(data, types + type * 6, 4); };
  auto zone = std::make_shared<Zone>();
  zone->first_offset = offset_of(0);
  for (std::size_t i = 0; i < header.transitions; ++i) {
    const auto type = static_cast<unsigned char>(data[indexes + i]);
    if (type >= header.types) return nullptr;
    zone->transitions.push_back(BigEndian(data, 44 + i * time_bytes, time_bytes));
    zone->offsets.push_back(offset_of(type));
  }
  return zone;
}

std::shared_ptr<const Zone> FindZone(std::string_view name) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Zone>, std::less<>> zones;
  const std::lock_guard lock(mutex);
  if (const auto it = zones.find(name); it != zones.end()) return it->second;
  std::ifstream file("/usr/share/zoneinfo/" + std::string(name), std::ios::binary);
  std::string data;
  if (file) data.assign(std::istreambuf_iterator<char>(file), {});
  if (data.size() > kMaxFile) data.clear();
  std::shared_ptr<const Zone> zone = ParseZone(data);
  if (zones.size() < kMaxZones) zones.emplace(name, zone);
  return zone;
}

}  // namespace

std::optional<std::int64_t> NamedZoneOffset(std::string_view name, std::int64_t unix_seconds) {
  if (!IsZoneName(name)) return std::nullopt;
  const std::shared_ptr<const Zone> zone = FindZone(name);
  if (zone == nullptr) return std::nullopt;
  const auto after = std::upper_bound(zone->transitions.begin(), zone->transitions.end(), unix_seconds);
  if (after == zone->transitions.begin()) return zone->first_offset;
  return zone->offsets[static_cast<std::size_t>(after - zone->transitions.begin()) - 1];
}

}  // namespace minikube::cel
