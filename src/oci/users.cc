#include "oci/users.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <limits>

#include <fmt/format.h>

#include "oci/files.h"

namespace minikube::oci {
namespace {

constexpr std::size_t kMaxFile = 1 << 20;
constexpr int kMaxLinks = 40;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

std::optional<std::uint32_t> ParseId(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // The top two values mean "nobody, do not change" to the kernel.
  if (error != std::errc() || end != text.data() + text.size() || value > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return value;
}

Result<std::uint32_t> CheckId(std::int64_t id) {
  if (id < 0 || id > std::numeric_limits<std::int32_t>::max()) {
    return Status(Code::kBadRequest, fmt::format("user or group ID {} is out of range", id));
  }
  return static_cast<std::uint32_t>(id);
}

struct Passwd {
  std::uint32_t uid;
  std::uint32_t gid;
  std::string name;
  std::string home;
};

template <typename Match>
std::optional<Passwd> FindUser(std::string_view passwd, Match match) {
  for (const std::string_view line : Split(passwd, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ':');
    if (fields.size() < 6) continue;
    const auto uid = ParseId(fields[2]);
    const auto gid = ParseId(fields[3]);
    if (!uid || !gid) continue;
    Passwd entry{*uid, *gid, std::string(fields[0]), std::string(fields[5])};
    if (match(entry)) return entry;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> ReadInLayers(const std::vector<std::string>& lower_to_upper, std::string_view path) {
  // Walks component by component. `dirs` are the layers' directories, uppermost first, that make up the one we are in.
  std::deque<std::string> todo;
  for (const std::string_view part : Split(path, '/')) todo.emplace_back(part);
  const std::vector<std::string> roots(lower_to_upper.rbegin(), lower_to_upper.rend());
  std::vector<std::vector<std::string>> stack{roots};
  int links = 0;
  while (!todo.empty()) {
    const std::string part = todo.front();
    todo.pop_front();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (stack.size() > 1) stack.pop_back();
      continue;
    }
    std::vector<std::string> next;
    std::string file;
    std::string link;
    for (const std::string& dir : stack.back()) {
      const std::string candidate = dir + "/" + part;
      struct stat info {};
      if (lstat(candidate.c_str(), &info) != 0) continue;
      if (S_ISDIR(info.st_mode)) {
        next.push_back(candidate);
        char opaque = 0;
        if (lgetxattr(candidate.c_str(), "trusted.overlay.opaque", &opaque, 1) == 1 && opaque == 'y') break;
        continue;
      }
      if (!next.empty()) break;  // a lower file under an upper directory is hidden
      if (S_ISREG(info.st_mode)) file = candidate;
      if (S_ISLNK(info.st_mode)) {
        char target[4096];
        const ssize_t n = readlink(candidate.c_str(), target, sizeof target);
        if (n > 0) link.assign(target, static_cast<std::size_t>(n));
      }
      break;
    }
    if (!link.empty()) {
      if (++links > kMaxLinks) return std::nullopt;
      if (link.front() == '/') stack.assign(1, roots);
      const std::vector<std::string_view> parts = Split(link, '/');
      todo.insert(todo.begin(), parts.begin(), parts.end());
      continue;
    }
    if (!file.empty()) {
      if (!todo.empty()) return std::nullopt;
      auto text = ReadWholeFile(file, kMaxFile);
      return text ? std::optional(std::move(text).value()) : std::nullopt;
    }
    if (next.empty()) return std::nullopt;
    stack.push_back(std::move(next));
  }
  return std::nullopt;
}

Result<ResolvedUser> ResolveUser(const UserRequest& request, std::string_view passwd, std::string_view group) {
  ResolvedUser out;
  out.home = "/";
  std::string_view user = request.image_user;
  std::string_view group_name;
  if (const std::size_t colon = user.find(':'); colon != std::string_view::npos) {
    group_name = user.substr(colon + 1);
    user = user.substr(0, colon);
  }
  if (request.run_as_user) {  // the image's group belongs to the image's user
    auto uid = CheckId(*request.run_as_user);
    if (!uid) return uid.status();
    out.uid = *uid;
    group_name = {};
    user = {};
  } else if (const auto uid = ParseId(user)) {
    out.uid = *uid;
  }
  const bool by_name = !user.empty() && !ParseId(user);
  const std::optional<Passwd> entry = FindUser(
      passwd, [&](const Passwd& candidate) { return by_name ? candidate.name == user : candidate.uid == out.uid; });
  if (by_name && !entry) {
    return Status(Code::kBadRequest, fmt::format("unable to find user {}: no matching entries in passwd file", user));
  }
  if (entry) {
    out.uid = entry->uid;
    out.gid = entry->gid;
    out.home = entry->home.empty() ? "/" : entry->home;
  }
  bool group_found = group_name.empty();
  if (const auto gid = ParseId(group_name)) {
    out.gid = *gid;
    group_found = true;
  }
  for (const std::string_view line : Split(group, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ':');
    if (fields.size() < 3) continue;
    const auto gid = ParseId(fields[2]);
    if (!gid) continue;
    if (!group_found && fields[0] == group_name) {
      out.gid = *gid;
      group_found = true;
    }
    // An explicit group replaces the user's memberships, as it does for Docker.
    if (!entry || fields.size() < 4 || !group_name.empty()) continue;
    const std::vector<std::string_view> members = Split(fields[3], ',');
    if (std::find(members.begin(), members.end(), entry->name) != members.end()) out.additional_gids.push_back(*gid);
  }
  if (!group_found) {
    return Status(Code::kBadRequest,
                  fmt::format("unable to find group {}: no matching entries in group file", group_name));
  }
  if (request.run_as_group) {
    auto gid = CheckId(*request.run_as_group);
    if (!gid) return gid.status();
    out.gid = *gid;
  }
  for (const std::int64_t id : request.supplemental_groups) {
    auto gid = CheckId(id);
    if (!gid) return gid.status();
    out.additional_gids.push_back(*gid);
  }
  std::sort(out.additional_gids.begin(), out.additional_gids.end());
  out.additional_gids.erase(std::unique(out.additional_gids.begin(), out.additional_gids.end()),
                            out.additional_gids.end());
  return out;
}

}  // namespace minikube::oci
