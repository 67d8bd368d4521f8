#include "client/kubeconfig.h"

#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <boost/beast/core/detail/base64.hpp>
#include <nlohmann/json.hpp>

#include <minikube/codec.h>

namespace minikube::client {
namespace {

using nlohmann::json;

std::string Text(const json& object, const char* name) {
  const auto it = object.is_object() ? object.find(name) : object.end();
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// The `what` of the entry called `name` in the list `list`; null if there is none.
json Entry(const json& config, const char* list, const char* what, const std::string& name) {
  const auto entries = config.find(list);
  if (entries == config.end() || !entries->is_array()) return nullptr;
  for (const json& entry : *entries) {
    if (Text(entry, "name") == name && entry.contains(what)) return entry[what];
  }
  return nullptr;
}

Result<std::string> FromBase64(const std::string& text) {
  namespace base64 = boost::beast::detail::base64;
  std::string clean;
  for (const char c : text) {
    if (c != '\n' && c != '\r' && c != ' ') clean += c;
  }
  std::string out(base64::decoded_size(clean.size()), '\0');
  const auto [written, read] = base64::decode(out.data(), clean.data(), clean.size());
  if (clean.find_first_not_of('=', read) != std::string::npos) return Status(Code::kBadRequest, "illegal base64 data");
  out.resize(written);
  return out;
}

// A value given in the file itself (`<name>-data`) or as the path of another one.
Result<std::string> DataOrFile(const json& object, const std::string& name) {
  if (const std::string data = Text(object, (name + "-data").c_str()); !data.empty()) {
    Result<std::string> decoded = FromBase64(data);
    if (!decoded) return decoded.status().WithContext("kubeconfig: " + name + "-data");
    return decoded;
  }
  const std::string path = Text(object, name.c_str());
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status(Code::kNotFound, fmt::format("kubeconfig: cannot read {} \"{}\"", name, path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Status ParseServer(std::string url, Kubeconfig& out) {
  constexpr std::string_view kHttps = "https://";
  if (url.rfind(kHttps, 0) != 0) {
    return {Code::kNotImplemented, fmt::format("kubeconfig: server \"{}\" is not an https address", url)};
  }
  url.erase(0, kHttps.size());
  const std::size_t slash = url.find('/');
  if (slash != std::string::npos) {
    out.path = url.substr(slash);
    url.erase(slash);
    while (!out.path.empty() && out.path.back() == '/') out.path.pop_back();
  }
  const std::size_t colon = url.rfind(':');
  const bool bracketed = !url.empty() && url.front() == '[';
  const std::size_t end = bracketed ? url.find(']') : std::string::npos;
  const bool has_port = colon != std::string::npos && (!bracketed || (end != std::string::npos && colon > end));
  out.port = has_port ? url.substr(colon + 1) : "443";
  out.host = has_port ? url.substr(0, colon) : url;
  if (bracketed && out.host.size() > 2) out.host = out.host.substr(1, out.host.size() - 2);
  if (out.host.empty()) return {Code::kBadRequest, "kubeconfig: server without a host"};
  return {};
}

Status ParseCluster(const json& cluster, Kubeconfig& out) {
  MINIKUBE_RETURN_IF_ERROR(ParseServer(Text(cluster, "server"), out));
  out.server_name = Text(cluster, "tls-server-name");
  if (out.server_name.empty()) out.server_name = out.host;
  out.skip_verify = cluster.value("insecure-skip-tls-verify", false);
  Result<std::string> ca = DataOrFile(cluster, "certificate-authority");
  if (!ca) return ca.status();
  out.ca = std::move(ca).value();
  return {};
}

Status ParseUser(const json& user, Kubeconfig& out) {
  if (!user.is_object()) return {};
  if (user.contains("exec") || user.contains("auth-provider")) {
    return {Code::kNotImplemented, "kubeconfig: credential plugins are not supported"};
  }
  Result<std::string> certificate = DataOrFile(user, "client-certificate");
  if (!certificate) return certificate.status();
  Result<std::string> key = DataOrFile(user, "client-key");
  if (!key) return key.status();
  out.certificate = std::move(certificate).value();
  out.key = std::move(key).value();
  out.token = Text(user, "token");
  if (const std::string path = Text(user, "tokenFile"); out.token.empty() && !path.empty()) {
    std::ifstream file(path);
    if (!file || !(file >> out.token)) return {Code::kNotFound, fmt::format("kubeconfig: no token in \"{}\"", path)};
  }
  if (const std::string name = Text(user, "username"); !name.empty()) out.basic = name + ":" + Text(user, "password");
  out.impersonate = Text(user, "as");
  return {};
}

}  // namespace

Result<Kubeconfig> ParseKubeconfig(std::string_view text, std::string_view context) {
  Result<std::string> as_json = YamlToJson(text);
  if (!as_json) return as_json.status().WithContext("kubeconfig");
  try {
    const json config = json::parse(*as_json);
    if (!config.is_object()) return Status(Code::kBadRequest, "kubeconfig: not a mapping");
    const std::string name = context.empty() ? Text(config, "current-context") : std::string(context);
    const json chosen = Entry(config, "contexts", "context", name);
    if (chosen.is_null()) return Status(Code::kNotFound, fmt::format("kubeconfig: no context \"{}\"", name));
    const json cluster = Entry(config, "clusters", "cluster", Text(chosen, "cluster"));
    if (!cluster.is_object()) {
      return Status(Code::kNotFound, fmt::format("kubeconfig: no cluster \"{}\"", Text(chosen, "cluster")));
    }
    Kubeconfig out;
    MINIKUBE_RETURN_IF_ERROR(ParseCluster(cluster, out));
    MINIKUBE_RETURN_IF_ERROR(ParseUser(Entry(config, "users", "user", Text(chosen, "user")), out));
    return out;
  } catch (const json::exception& error) {
    return Status(Code::kBadRequest, fmt::format("kubeconfig: {}", error.what()));
  }
}

}  // namespace minikube::client
