#include "agent/container_env.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include <minikube/client.h>

#include "model/field_errors.h"

namespace minikube::agent {
namespace {

// `path` is prefix['key']: the key.
std::optional<std::string_view> Subscript(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  if (path.size() < 4 || !path.starts_with("['") || !path.ends_with("']")) return std::nullopt;
  return path.substr(2, path.size() - 4);
}

std::string Lines(const Map<Str>& map) {
  std::string out;
  for (const auto& [key, value] : map) {
    if (!out.empty()) out += '\n';
    out += key.view();
    out += '=';
    out += GoQuote(value);
  }
  return out;
}

std::string Join(const std::vector<std::string>& parts) { return fmt::format("{}", fmt::join(parts, ",")); }

std::string First(const std::vector<std::string>& parts) { return parts.empty() ? std::string() : parts.front(); }

// Names that Linux can carry; others are left out of envFrom.
bool IsEnvName(std::string_view name) {
  if (name.empty()) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '='; });
}

void Set(EnvList& env, std::string name, std::string value) {
  for (auto& [known, old] : env) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  env.emplace_back(std::move(name), std::move(value));
}

struct FromObject {
  const ResourceDesc& resource;
  std::string_view kind;  // as messages spell it
  std::string_view name;
  bool optional;
};

// Null if it is missing and may be.
Result<ObjectRef> Fetch(ObjectSource& objects, std::string_view ns, const FromObject& from) {
  Result<ObjectRef> object = objects.Get(from.resource, ns, from.name);
  if (!object && object.status().code() == Code::kNotFound && from.optional) return ObjectRef();
  return object;
}

Status NoKey(const FromObject& from, std::string_view ns, std::string_view key) {
  return {Code::kNotFound, fmt::format("couldn't find key {} in {} {}/{}", key, from.kind, ns, from.name)};
}

struct Resolver {
  const PodFacts& facts;
  const core::Container& container;
  ObjectSource& objects;
  EnvList env;

  std::string_view ns() const { return facts.pod->metadata.namespace_; }

  void AddAll(std::string_view prefix, std::string_view key, std::string_view value) {
    std::string name = fmt::format("{}{}", prefix, key);
    if (IsEnvName(name)) Set(env, std::move(name), std::string(value));
  }

  Status AddFrom(const core::EnvFromSource& source) {
    if (source.configMapRef) {
      const FromObject from{Client::ResourceOf<core::ConfigMap>(), "ConfigMap", source.configMapRef->name,
                            source.configMapRef->optional.value_or(false)};
      Result<ObjectRef> object = Fetch(objects, ns(), from);
      if (!object) return object.status();
      if (!*object) return {};
      for (const auto& [key, value] : (*object)->As<core::ConfigMap>().data) AddAll(source.prefix, key, value);
    } else if (source.secretRef) {
      const FromObject from{Client::ResourceOf<core::Secret>(), "Secret", source.secretRef->name,
                            source.secretRef->optional.value_or(false)};
      Result<ObjectRef> object = Fetch(objects, ns(), from);
      if (!object) return object.status();
      if (!*object) return {};
      for (const auto& [key, value] : (*object)->As<core::Secret>().data) AddAll(source.prefix, key, value.view());
    }
    return {};
  }

  // nullopt: the source is optional and is not there, so neither is the variable.
  Result<std::optional<std::string>> ValueOf(const core::EnvVarSource& source) {
    using Value = std::optional<std::string>;
    if (source.fieldRef) {
      Result<std::string> value = FieldValue(facts, source.fieldRef->fieldPath);
      if (!value) return value.status();
      return Value(std::move(value).value());
    }
    if (source.resourceFieldRef) {
      const std::string_view name = source.resourceFieldRef->containerName;
      const core::Container* of = name.empty() ? &container : FindContainer(*facts.pod, name);
      if (of == nullptr) return Status(Code::kBadRequest, fmt::format("container {} not found", name));
      Result<std::string> value = ResourceValue(facts, *of, *source.resourceFieldRef);
      if (!value) return value.status();
      return Value(std::move(value).value());
    }
    if (source.configMapKeyRef) {
      const core::ConfigMapKeySelector& ref = *source.configMapKeyRef;
      const FromObject from{Client::ResourceOf<core::ConfigMap>(), "ConfigMap", ref.name, ref.optional.value_or(false)};
      Result<ObjectRef> object = Fetch(objects, ns(), from);
      if (!object) return object.status();
      if (!*object) return Value();
      if (const Str* value = (*object)->As<core::ConfigMap>().data.Find(ref.key)) return Value(value->str());
      if (from.optional) return Value();
      return NoKey(from, ns(), ref.key);
    }
    if (source.secretKeyRef) {
      const core::SecretKeySelector& ref = *source.secretKeyRef;
      const FromObject from{Client::ResourceOf<core::Secret>(), "Secret", ref.name, ref.optional.value_or(false)};
      Result<ObjectRef> object = Fetch(objects, ns(), from);
      if (!object) return object.status();
      if (!*object) return Value();
      if (const Bytes* value = (*object)->As<core::Secret>().data.Find(ref.key))
        return Value(std::string(value->view()));
      if (from.optional) return Value();
      return NoKey(from, ns(), ref.key);
    }
    return Status(Code::kNotImplemented, "this source of an environment variable is not supported");
  }

  Status AddVariable(const core::EnvVar& variable) {
    if (!variable.valueFrom) {
      Set(env, variable.name.str(), Expand(variable.value, LookupIn(env)));
      return {};
    }
    Result<std::optional<std::string>> value = ValueOf(*variable.valueFrom);
    if (!value) return value.status();
    if (*value) Set(env, variable.name.str(), **std::move(value));
    return {};
  }
};

}  // namespace

std::string Expand(std::string_view text, const Lookup& lookup) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const std::size_t end = text[i + 1] == '(' ? text.find(')', i + 2) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += '$';
      continue;
    }
    if (const std::string* value = lookup(text.substr(i + 2, end - i - 2))) {
      out += *value;
    } else {
      out += text.substr(i, end - i + 1);
    }
    i = end;
  }
  return out;
}

Lookup LookupIn(const EnvList& env) {
  return [&env](std::string_view name) -> const std::string* {
    for (const auto& [known, value] : env) {
      if (known == name) return &value;
    }
    return nullptr;
  };
}

Result<std::string> FieldValue(const PodFacts& facts, std::string_view path) {
  const core::Pod& pod = *facts.pod;
  if (const auto key = Subscript(path, "metadata.labels")) {
    const Str* value = pod.metadata.labels.Find(*key);
    return value != nullptr ? value->str() : std::string();
  }
  if (const auto key = Subscript(path, "metadata.annotations")) {
    const Str* value = pod.metadata.annotations.Find(*key);
    return value != nullptr ? value->str() : std::string();
  }
  if (path == "metadata.name") return pod.metadata.name.str();
  if (path == "metadata.namespace") return pod.metadata.namespace_.str();
  if (path == "metadata.uid") return pod.metadata.uid.str();
  if (path == "metadata.labels") return Lines(pod.metadata.labels);
  if (path == "metadata.annotations") return Lines(pod.metadata.annotations);
  if (path == "spec.nodeName") return pod.spec.nodeName.str();
  if (path == "spec.serviceAccountName") return pod.spec.serviceAccountName.str();
  if (path == "status.hostIP") return First(facts.host_ips);
  if (path == "status.hostIPs") return Join(facts.host_ips);
  if (path == "status.podIP") return First(facts.pod_ips);
  if (path == "status.podIPs") return Join(facts.pod_ips);
  return Status(Code::kBadRequest, fmt::format("unsupported fieldPath: {}", path));
}

Result<std::string> ResourceValue(const PodFacts& facts, const core::Container& container,
                                  const core::ResourceFieldSelector& selector) {
  std::string_view resource = selector.resource;
  const bool limit = resource.starts_with("limits.");
  if (!limit && !resource.starts_with("requests.")) {
    return Status(Code::kBadRequest, fmt::format("unsupported container resource: {}", resource));
  }
  resource.remove_prefix(resource.find('.') + 1);
  const Quantity* quantity = (limit ? container.resources.limits : container.resources.requests).Find(resource);
  // Without a limit the node is the limit.
  if (quantity == nullptr && limit) quantity = facts.allocatable.Find(resource);
  if (quantity == nullptr) return std::string("0");
  const bool cpu = resource == "cpu";
  std::int64_t divisor = cpu ? selector.divisor.MilliValue() : selector.divisor.Value();
  if (divisor <= 0) divisor = cpu ? 1000 : 1;
  const std::int64_t amount = cpu ? quantity->MilliValue() : quantity->Value();
  return std::to_string(amount / divisor + (amount % divisor > 0 ? 1 : 0));
}

Result<EnvList> ResolveEnv(const PodFacts& facts, const core::Container& container, ObjectSource& objects,
                           EnvList services) {
  Resolver resolver{facts, container, objects, std::move(services)};
  for (const core::EnvFromSource& source : container.envFrom) MINIKUBE_RETURN_IF_ERROR(resolver.AddFrom(source));
  for (const core::EnvVar& variable : container.env) MINIKUBE_RETURN_IF_ERROR(resolver.AddVariable(variable));
  return std::move(resolver.env);
}

}  // namespace minikube::agent
