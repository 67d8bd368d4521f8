#include "api/auth/authenticate.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace minikube::api {
namespace {

constexpr std::string_view kAuthenticatedGroup = "system:authenticated";
constexpr std::size_t kMaxTokenFile = 16u << 20;

std::array<unsigned char, 32> Digest(std::string_view token) {
  std::array<unsigned char, 32> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return digest;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// One CSV record (RFC 4180 without line breaks inside quotes). False if a quote is not closed or stands astray.
bool SplitRecord(std::string_view line, std::vector<std::string>& fields) {
  fields.clear();
  std::size_t i = 0;
  for (;;) {
    std::string field;
    if (i < line.size() && line[i] == '"') {
      for (++i;; ++i) {
        if (i >= line.size()) return false;
        if (line[i] != '"') {
          field += line[i];
        } else if (i + 1 < line.size() && line[i + 1] == '"') {
          field += '"';
          ++i;
        } else {
          ++i;
          break;
        }
      }
      if (i < line.size() && line[i] != ',') return false;
    } else {
      while (i < line.size() && line[i] != ',') {
        if (line[i] == '"') return false;
        field += line[i++];
      }
    }
    fields.push_back(std::move(field));
    if (i >= line.size()) return true;
    ++i;  // the comma
  }
}

// The token of "Bearer <token>"; empty if it is another scheme.
std::string_view TokenOf(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  authorization = Trim(authorization);
  if (authorization.size() < kScheme.size() || !EqualsIgnoreCase(authorization.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  return Trim(authorization.substr(kScheme.size()));
}

}  // namespace

void AddAuthenticatedGroup(UserInfo& user) {
  if (std::find(user.groups.begin(), user.groups.end(), kAuthenticatedGroup) == user.groups.end()) {
    user.groups.emplace_back(kAuthenticatedGroup);
  }
}

std::string BuiltInAuthenticator::BearerToken(const HttpRequest& request) {
  return std::string(TokenOf(request.Header("Authorization")));
}

Result<BuiltInAuthenticator> BuiltInAuthenticator::FromTokenFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status(Code::kInternal, fmt::format("cannot read token file {}: {}", path, std::strerror(errno)));
  std::string text(kMaxTokenFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxTokenFile) {
    return Status(Code::kInternal, fmt::format("token file {} is larger than {} bytes", path, kMaxTokenFile));
  }
  Result<BuiltInAuthenticator> parsed = FromTokenText(text);
  if (!parsed) return parsed.status().WithContext("token file " + path);
  return parsed;
}

Result<BuiltInAuthenticator> BuiltInAuthenticator::FromTokenText(std::string_view csv) {
  BuiltInAuthenticator result;
  std::vector<std::string> fields;
  for (int number = 1; !csv.empty(); ++number) {
    const std::size_t end = csv.find('\n');
    const std::string_view line = Trim(csv.substr(0, end));
    csv.remove_prefix(end == std::string_view::npos ? csv.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    if (!SplitRecord(line, fields)) return Status(Code::kInternal, fmt::format("line {}: misplaced quote", number));
    if (fields.size() < 3) {
      return Status(Code::kInternal, fmt::format("line {}: needs token, user name and user uid", number));
    }
    if (fields[0].empty()) return Status(Code::kInternal, fmt::format("line {}: empty token", number));
    Token token{Digest(fields[0]), UserInfo{fields[1], fields[2], {}}};
    if (fields.size() >= 4) {
      std::istringstream groups(fields[3]);
      for (std::string group; std::getline(groups, group, ',');) {
        if (const std::string_view trimmed = Trim(group); !trimmed.empty()) token.user.groups.emplace_back(trimmed);
      }
    }
    AddAuthenticatedGroup(token.user);
    result.tokens_.push_back(std::move(token));
  }
  return result;
}

std::optional<UserInfo> BuiltInAuthenticator::FindToken(std::string_view token) const {
  // Every token is looked at, whichever matches: the time taken tells nothing.
  const auto digest = Digest(token);
  const UserInfo* user = nullptr;
  for (const Token& known : tokens_) {
    if (CRYPTO_memcmp(known.digest.data(), digest.data(), digest.size()) == 0) user = &known.user;
  }
  return user != nullptr ? std::optional(*user) : std::nullopt;
}

Result<UserInfo> BuiltInAuthenticator::Authenticate(const PeerCertificate* peer, std::string_view authorization,
                                                    const TokenCheck& others) const {
  if (const std::string_view presented = TokenOf(authorization); !presented.empty()) {
    if (std::optional<UserInfo> user = FindToken(presented)) return *std::move(user);
    Result<UserInfo> user = others ? others(presented) : Status(Code::kUnauthorized, "no such token");
    // Why is not for whoever tries tokens.
    return user ? user : Status(Code::kUnauthorized, "Unauthorized");
  }
  if (peer != nullptr && peer->presented) {
    if (!peer->verified || peer->common_name.empty()) return Status(Code::kUnauthorized, "Unauthorized");
    UserInfo user{peer->common_name, "", peer->organizations};
    AddAuthenticatedGroup(user);
    return user;
  }
  return UserInfo{"system:anonymous", "", {"system:unauthenticated"}};
}

}  // namespace minikube::api
