#include "oci/reference.h"

#include <algorithm>

#include <fmt/format.h>

#include "oci/digest.h"

namespace minikube::oci {
namespace {

bool Lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool Word(char c) { return Lower(c) || (c >= 'A' && c <= 'Z'); }

// alpha-numeric runs joined by one of `.`, `_`, `__` or any number of `-`.
bool IsPathComponent(std::string_view text) {
  if (text.empty() || !Lower(text.front()) || !Lower(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (Lower(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && !Lower(text[end])) ++end;
    const std::string_view joint = text.substr(i, end - i);
    const bool dashes = joint.find_first_not_of('-') == std::string_view::npos;
    if (joint != "." && joint != "_" && joint != "__" && !dashes) return false;
    i = end;
  }
  return true;
}

bool IsRegistry(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos) return false;
    text = text.substr(0, colon);
  }
  return !text.empty() && Word(text.front()) && Word(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return Word(c) || c == '.' || c == '-'; });
}

bool IsTag(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text.front() != '.' && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) { return Word(c) || c == '_' || c == '.' || c == '-'; });
}

}  // namespace

Result<Reference> ParseReference(std::string_view text) {
  const Status bad(Code::kBadRequest, fmt::format("couldn't parse image name \"{}\": invalid reference format", text));
  Reference out;
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    out.digest = rest.substr(at + 1);
    if (!IsDigest(out.digest)) return bad;
    rest = rest.substr(0, at);
  }
  const std::size_t slash = rest.rfind('/');
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    out.tag = rest.substr(colon + 1);
    if (!IsTag(out.tag)) return bad;
    rest = rest.substr(0, colon);
  }
  const std::size_t first_slash = rest.find('/');
  const std::string_view first = rest.substr(0, first_slash);
  if (first_slash != std::string_view::npos &&
      (first.find_first_of(".:") != std::string_view::npos || first == "localhost" ||
       std::any_of(first.begin(), first.end(), [](char c) { return c >= 'A' && c <= 'Z'; }))) {
    out.registry = first == "index.docker.io" ? "docker.io" : std::string(first);
    rest = rest.substr(first_slash + 1);
  } else {
    out.registry = "docker.io";
  }
  out.repository = rest;
  if (out.registry == "docker.io" && rest.find('/') == std::string_view::npos)
    out.repository = "library/" + out.repository;
  if (!IsRegistry(out.registry) || out.Name().size() > 255) return bad;
  std::string_view path = out.repository;
  while (true) {
    const std::size_t next = path.find('/');
    if (!IsPathComponent(path.substr(0, next))) return bad;
    if (next == std::string_view::npos) break;
    path = path.substr(next + 1);
  }
  if (out.tag.empty() && out.digest.empty()) out.tag = "latest";
  return out;
}

}  // namespace minikube::oci
