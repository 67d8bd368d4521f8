#include "network/dns/zone.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "model/validation_names.h"

namespace minikube::network::dns {
namespace {

using core::v1::Service;
using core::v1::ServicePort;
using discovery::v1::Endpoint;
using discovery::v1::EndpointSlice;

// Seconds. Short, for names lead to addresses that come and go.
constexpr std::uint32_t kTtl = 5;
constexpr std::string_view kSchemaVersion = "1.1.0";
constexpr std::string_view kReverse4 = "in-addr.arpa";
constexpr std::string_view kReverse6 = "ip6.arpa";

std::string DataOf(const IpAddress& address) {
  return {reinterpret_cast<const char*>(address.bytes.data()), address.bits() / 8};
}
std::uint16_t TypeOf(const IpAddress& address) { return address.v4 ? kA : kAaaa; }

// Any address will do for a question about any type (RFC 8482 section 4.1).
bool Asks(std::uint16_t type, std::uint16_t about) { return type == about || (type == kAny && about == kA); }

bool IsHeadless(const Service& service) { return service.spec.clusterIP == "None"; }

std::vector<Str> AddressesOf(const Service& service) {
  std::vector<Str> out(service.spec.clusterIPs.begin(), service.spec.clusterIPs.end());
  if (out.empty() && !service.spec.clusterIP.empty()) out.push_back(service.spec.clusterIP);
  return out;
}

bool IsReady(const Endpoint& endpoint) { return endpoint.conditions.ready.value_or(true); }

// The name of an endpoint below that of its Service: its own, or its address with dashes.
std::string LabelOf(const Endpoint& endpoint, std::string_view address) {
  if (endpoint.hostname && !endpoint.hostname->empty()) return endpoint.hostname->str();
  std::string out(address);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '.' || c == ':'; }, '-');
  return out;
}

bool SameText(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

std::string_view ProtocolOf(const Str& protocol) { return protocol.empty() ? "TCP" : protocol.view(); }

// The address that a name of the reverse zones is about.
std::optional<IpAddress> ReversedAddress(std::string_view name) {
  std::vector<std::string> labels = LabelsOf(name);
  IpAddress out;
  if (IsWithin(name, kReverse4) && labels.size() == 6) {
    std::reverse(labels.begin(), labels.begin() + 4);
    return ParseIp(fmt::format("{}.{}.{}.{}", labels[0], labels[1], labels[2], labels[3]));
  }
  if (!IsWithin(name, kReverse6) || labels.size() != 34) return std::nullopt;
  for (std::size_t i = 0; i < 32; ++i) {
    unsigned digit = 0;
    const std::string& label = labels[31 - i];
    const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), digit, 16);
    if (error != std::errc() || label.size() != 1) return std::nullopt;
    out.bytes[i / 2] = static_cast<std::uint8_t>(out.bytes[i / 2] << 4 | digit);
  }
  return out;
}

// Of the address that a pod's name in the zone is made of: 10-244-0-5.
std::optional<IpAddress> DashedAddress(std::string text) {
  std::string four = text;
  std::replace(four.begin(), four.end(), '-', '.');
  if (const auto address = ParseIp(four)) return address;
  std::replace(text.begin(), text.end(), '-', ':');
  return ParseIp(text);
}

}  // namespace

struct Zone::Found {
  bool exists = false;
  std::vector<Record> answers;  // names are filled in by Resolve where they are empty
  std::vector<Record> additional;
  std::optional<std::string> alias;

  void Add(const IpAddress& address, std::uint16_t type) {
    if (Asks(type, TypeOf(address))) answers.push_back({"", TypeOf(address), kInternet, kTtl, DataOf(address)});
  }
  // A port that leads to `target`, whose addresses are told too.
  void AddPort(std::uint16_t weight, std::int64_t port, const std::string& target, const IpAddress& address) {
    const Record record{"", kSrv, kInternet, kTtl, SrvData(0, weight, static_cast<std::uint16_t>(port), target)};
    if (std::find(answers.begin(), answers.end(), record) == answers.end()) answers.push_back(record);
    const Record where{target, TypeOf(address), kInternet, kTtl, DataOf(address)};
    if (std::find(additional.begin(), additional.end(), where) == additional.end()) additional.push_back(where);
  }
};

Zone::Zone(std::string domain, std::string server, const ClusterNames& names)
    : domain_(std::move(domain)), server_(std::move(server)), names_(names) {}

std::optional<Answer> Zone::Resolve(const Question& question) const {
  if (IsWithin(question.name, kReverse4) || IsWithin(question.name, kReverse6)) return ResolveAddress(question);
  if (!IsWithin(question.name, domain_)) return std::nullopt;
  std::vector<std::string> labels = LabelsOf(question.name);
  labels.resize(labels.size() - LabelsOf(domain_).size());
  Found found = Look(labels, question.type);
  Answer answer;
  for (Record& record : found.answers) {
    if (record.name.empty()) record.name = question.name;
  }
  answer.answers = std::move(found.answers);
  answer.additional = std::move(found.additional);
  answer.alias = std::move(found.alias);
  if (!found.exists) answer.rcode = Rcode::kNameError;
  if (answer.answers.empty()) answer.authority.push_back(Soa());
  return answer;
}

std::string Zone::NameOf(std::string_view ns, std::string_view service) const {
  return fmt::format("{}.{}.svc.{}", service, ns, domain_);
}

// Nobody copies this zone, so its serial number never matters.
Record Zone::Soa() const {
  return {domain_, kSoa, kInternet, kTtl, SoaData("ns.dns." + domain_, "hostmaster." + domain_, 1, kTtl)};
}

// `labels` are those before the zone's own, the last of them the one next to it.
Zone::Found Zone::Look(const std::vector<std::string>& labels, std::uint16_t type) const {
  Found found;
  const auto exists = [&found](bool is) {
    found.exists = is;
    return found;
  };
  const auto label = [&](std::size_t from_end) -> const std::string& { return labels[labels.size() - from_end]; };
  const auto server = ParseIp(server_);
  if (labels.empty()) {
    if (type == kSoa) found.answers.push_back(Soa());
    if (type == kNs) {
      found.answers.push_back({"", kNs, kInternet, kTtl, NameData("ns.dns." + domain_)});
      if (server) found.additional.push_back({"ns.dns." + domain_, TypeOf(*server), kInternet, kTtl, DataOf(*server)});
    }
    return exists(true);
  }
  if (label(1) == "dns-version" && labels.size() == 1) {
    if (type == kTxt) found.answers.push_back({"", kTxt, kInternet, kTtl, TxtData(kSchemaVersion)});
    return exists(true);
  }
  if (label(1) == "dns") {
    if (labels.size() == 2 && label(2) == "ns" && server) found.Add(*server, type);
    return exists(labels.size() == 1 || (labels.size() == 2 && label(2) == "ns"));
  }
  if (label(1) != "svc" && label(1) != "pod") return exists(false);
  if (labels.size() == 1) return exists(true);
  const std::string& ns = label(2);
  if (!names_.HasNamespace(ns)) return exists(false);
  if (labels.size() == 2) return exists(true);
  if (label(1) == "svc") return labels.size() == 3 ? LookService(ns, label(3), type) : LookBelowService(labels, type);
  const auto address = labels.size() == 3 ? DashedAddress(label(3)) : std::nullopt;
  if (address) found.Add(*address, type);
  return exists(address.has_value());
}

Zone::Found Zone::LookService(std::string_view ns, std::string_view name, std::uint16_t type) const {
  Found found;
  const ObjectRef object = names_.FindService(ns, name);
  if (!object) return found;
  const auto& service = object->As<Service>();
  found.exists = true;
  if (service.spec.type == "ExternalName") {
    // An address is no name, but some have written one; it is then what they mean.
    if (const auto address = ParseIp(service.spec.externalName)) {
      found.Add(*address, type);
      return found;
    }
    std::string target;
    for (const char c : service.spec.externalName.view()) target += static_cast<char>(std::tolower(c));
    while (!target.empty() && target.back() == '.') target.pop_back();
    found.answers.push_back({"", kCname, kInternet, kTtl, NameData(target)});
    if (type != kCname) found.alias = std::move(target);
    return found;
  }
  if (type == kSrv) {
    for (const ServicePort& port : service.spec.ports) {
      Found ports = LookPorts(ns, name, port.name, ProtocolOf(port.protocol), type);
      std::move(ports.answers.begin(), ports.answers.end(), std::back_inserter(found.answers));
      for (Record& record : ports.additional) {
        if (std::find(found.additional.begin(), found.additional.end(), record) == found.additional.end())
          found.additional.push_back(std::move(record));
      }
    }
    return found;
  }
  if (!IsHeadless(service)) {
    for (const Str& text : AddressesOf(service)) {
      if (const auto address = ParseIp(text)) found.Add(*address, type);
    }
    return found;
  }
  std::set<std::string> seen;
  for (const ObjectRef& slice : names_.SlicesOf(ns, name)) {
    for (const Endpoint& endpoint : slice->As<EndpointSlice>().endpoints) {
      if (!IsReady(endpoint)) continue;
      for (const Str& text : endpoint.addresses) {
        const auto address = ParseIp(text);
        if (address && seen.insert(text.str()).second) found.Add(*address, type);
      }
    }
  }
  // Without any endpoint the name leads nowhere, as if it was not.
  found.exists = !seen.empty();
  return found;
}

// An endpoint, a protocol, or a port of a Service.
Zone::Found Zone::LookBelowService(const std::vector<std::string>& labels, std::uint16_t type) const {
  Found found;
  const auto label = [&](std::size_t from_end) -> const std::string& { return labels[labels.size() - from_end]; };
  const ObjectRef object = names_.FindService(label(2), label(3));
  if (!object || labels.size() > 5) return found;
  const auto& service = object->As<Service>();
  if (service.spec.type == "ExternalName") return found;
  const std::string& below = label(4);
  if (below.starts_with('_')) {
    const std::string_view protocol = std::string_view(below).substr(1);
    if (labels.size() == 5) {
      if (!label(5).starts_with('_')) return found;
      return LookPorts(label(2), label(3), std::string_view(label(5)).substr(1), protocol, type);
    }
    const auto& ports = service.spec.ports;
    found.exists = std::any_of(ports.begin(), ports.end(),
                               [&](const ServicePort& port) { return SameText(ProtocolOf(port.protocol), protocol); });
    return found;
  }
  if (labels.size() == 5) return found;
  for (const ObjectRef& slice : names_.SlicesOf(label(2), label(3))) {
    for (const Endpoint& endpoint : slice->As<EndpointSlice>().endpoints) {
      if (!IsReady(endpoint)) continue;
      for (const Str& text : endpoint.addresses) {
        const auto address = ParseIp(text);
        if (!address || LabelOf(endpoint, text) != below) continue;
        found.exists = true;
        found.Add(*address, type);
      }
    }
  }
  return found;
}

Zone::Found Zone::LookPorts(std::string_view ns, std::string_view name, std::string_view port,
                            std::string_view protocol, std::uint16_t type) const {
  Found found;
  const ObjectRef object = names_.FindService(ns, name);
  const auto& service = object->As<Service>();
  if (!IsHeadless(service)) {
    for (const ServicePort& own : service.spec.ports) {
      if (!SameText(own.name, port) || !SameText(ProtocolOf(own.protocol), protocol)) continue;
      found.exists = true;
      if (type != kSrv) continue;
      for (const Str& text : AddressesOf(service)) {
        if (const auto address = ParseIp(text)) found.AddPort(100, own.port, NameOf(ns, name), *address);
      }
    }
    return found;
  }
  std::size_t count = 0;
  const std::vector<ObjectRef> slices = names_.SlicesOf(ns, name);
  for (const bool counting : {true, false}) {
    for (const ObjectRef& object_of_slice : slices) {
      const auto& slice = object_of_slice->As<EndpointSlice>();
      for (const discovery::v1::EndpointPort& own : slice.ports) {
        if (!SameText(own.name.value_or(Str()), port) || !own.port) continue;
        if (!SameText(ProtocolOf(own.protocol.value_or(Str())), protocol)) continue;
        for (const Endpoint& endpoint : slice.endpoints) {
          if (!IsReady(endpoint)) continue;
          if (counting) {
            ++count;
            continue;
          }
          found.exists = true;
          if (type != kSrv) continue;
          const auto weight = static_cast<std::uint16_t>(std::max<std::size_t>(100 / count, 1));
          for (const Str& text : endpoint.addresses) {
            const auto address = ParseIp(text);
            if (!address) continue;
            found.AddPort(weight, *own.port, LabelOf(endpoint, text) + "." + NameOf(ns, name), *address);
          }
        }
      }
    }
  }
  return found;
}

std::optional<Answer> Zone::ResolveAddress(const Question& question) const {
  const auto address = ReversedAddress(question.name);
  if (!address) return std::nullopt;
  const std::string text = address->ToString();
  std::vector<std::string> targets;
  for (const ObjectRef& service : names_.ServicesAt(text)) {
    targets.push_back(NameOf(service->meta().namespace_, service->meta().name));
  }
  if (targets.empty()) {
    for (const ObjectRef& object : names_.SlicesAt(text)) {
      const auto& slice = object->As<EndpointSlice>();
      const Str* service = slice.metadata.labels.Find("kubernetes.io/service-name");
      if (service == nullptr) continue;
      for (const Endpoint& endpoint : slice.endpoints) {
        const bool here =
            std::find(endpoint.addresses.begin(), endpoint.addresses.end(), text) != endpoint.addresses.end();
        if (!here || !IsReady(endpoint)) continue;
        targets.push_back(LabelOf(endpoint, text) + "." + NameOf(slice.metadata.namespace_, *service));
      }
    }
  }
  if (targets.empty()) return std::nullopt;
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  Answer answer;
  if (question.type == kPtr || question.type == kAny) {
    for (const std::string& target : targets)
      answer.answers.push_back({question.name, kPtr, kInternet, kTtl, NameData(target)});
  } else {
    answer.authority.push_back(Soa());
  }
  return answer;
}

}  // namespace minikube::network::dns
