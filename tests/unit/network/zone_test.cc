// The cluster's names: questions to answers.
#include <catch2/catch.hpp>

#include <map>
#include <set>

#include <fmt/format.h>

#include "model/validation_names.h"
#include "network/dns/zone.h"

namespace minikube::network::dns {
namespace {

using core::v1::Service;
using discovery::v1::Endpoint;
using discovery::v1::EndpointSlice;

// Namespaces default and shop; Services of every sort.
class Fixed final : public ClusterNames {
 public:
  Fixed() {
    Add("web", [](Service& service) {
      service.spec.clusterIP = "10.96.0.9";
      service.spec.ports.push_back({.name = "http", .protocol = "TCP", .port = 80});
      service.spec.ports.push_back({.name = "dns", .protocol = "UDP", .port = 53});
    });
    Add("both", [](Service& service) {
      service.spec.clusterIP = "10.96.0.11";
      service.spec.clusterIPs = {"10.96.0.11", "fd00::11"};
    });
    Add("db", [](Service& service) {
      service.spec.clusterIP = "None";
      service.spec.ports.push_back({.name = "sql", .protocol = "TCP", .port = 5432});
    });
    Add("empty", [](Service& service) { service.spec.clusterIP = "None"; });
    Add("out", [](Service& service) {
      service.spec.type = "ExternalName";
      service.spec.externalName = "WWW.Example.org.";
    });
    EndpointSlice slice;
    slice.metadata.namespace_ = "default";
    slice.metadata.name = "db-1";
    slice.metadata.labels["kubernetes.io/service-name"] = "db";
    slice.addressType = "IPv4";
    slice.ports.push_back({.name = Str("sql"), .protocol = Str("TCP"), .port = 15432});
    const auto endpoint = [&](std::string_view address, std::string_view hostname, bool ready) {
      Endpoint& own = slice.endpoints.push_back({});
      own.addresses = {Str(address)};
      if (!hostname.empty()) own.hostname = Str(hostname);
      own.conditions.ready = ready;
    };
    endpoint("10.244.0.5", "db-0", true);
    endpoint("10.244.0.6", "", true);
    endpoint("10.244.0.7", "db-2", false);
    slices_.push_back(Share(slice));
  }

  bool HasNamespace(std::string_view ns) const override { return ns == "default" || ns == "shop"; }
  ObjectRef FindService(std::string_view ns, std::string_view name) const override {
    const auto it = services_.find(name);
    return ns == "default" && it != services_.end() ? it->second : ObjectRef();
  }
  std::vector<ObjectRef> SlicesOf(std::string_view, std::string_view service) const override {
    return service == "db" ? slices_ : std::vector<ObjectRef>();
  }
  std::vector<ObjectRef> ServicesAt(std::string_view address) const override {
    if (address == "10.96.0.9") return {services_.at("web")};
    return address == "fd00::11" ? std::vector<ObjectRef>{services_.at("both")} : std::vector<ObjectRef>();
  }
  std::vector<ObjectRef> SlicesAt(std::string_view address) const override {
    return address.starts_with("10.244.0.") ? slices_ : std::vector<ObjectRef>();
  }

 private:
  void Add(const std::string& name, const std::function<void(Service&)>& change) {
    Service service;
    service.metadata.namespace_ = "default";
    service.metadata.name = name;
    change(service);
    services_[name] = Share(service);
  }
  std::map<std::string, ObjectRef, std::less<>> services_;
  std::vector<ObjectRef> slices_;
};

std::string Show(const Record& record) {
  const std::string_view data = record.data;
  if (record.type == kA || record.type == kAaaa) {
    IpAddress address;
    address.v4 = record.type == kA;
    std::copy(data.begin(), data.end(), address.bytes.begin());
    return fmt::format("{} {}", record.name, address.ToString());
  }
  if (record.type == kSrv) {
    const auto number = [&](std::size_t at) {
      return static_cast<unsigned char>(data[at]) * 256 + static_cast<unsigned char>(data[at + 1]);
    };
    return fmt::format("{} SRV {} {} {} {}", record.name, number(0), number(2), number(4), *NameIn(data.substr(6)));
  }
  if (record.type == kTxt) return fmt::format("{} TXT {}", record.name, data.substr(1));
  return fmt::format("{} {} {}", record.name, record.type, NameIn(data).value_or("?"));
}

// Answers, then what is added; "none" (there is such a name), "no name", "others'".
std::string Resolve(std::string_view name, std::uint16_t type) {
  static const Fixed kNames;
  static const Zone kZone("cluster.local", "10.96.0.10", kNames);
  const auto answer = kZone.Resolve({std::string(name), type});
  if (!answer) return "others'";
  if (answer->answers.empty()) {
    // Whoever keeps the answer learns for how long from the zone's SOA (RFC 2308).
    REQUIRE(answer->authority.size() == 1);
    CHECK(answer->authority.front().type == kSoa);
    return answer->rcode == Rcode::kNameError ? "no name" : "none";
  }
  CHECK(answer->rcode == Rcode::kNoError);
  std::string out;
  for (const Record& record : answer->answers) out += (out.empty() ? "" : ", ") + Show(record);
  for (const Record& record : answer->additional) out += " + " + Show(record);
  if (answer->alias) out += " = " + *answer->alias;
  return out;
}

}  // namespace

TEST_CASE("Services with an address") {
  CHECK(Resolve("web.default.svc.cluster.local", kA) == "web.default.svc.cluster.local 10.96.0.9");
  CHECK(Resolve("web.default.svc.cluster.local", kAny) == "web.default.svc.cluster.local 10.96.0.9");
  CHECK(Resolve("web.default.svc.cluster.local", kAaaa) == "none");
  CHECK(Resolve("web.default.svc.cluster.local", kTxt) == "none");
  CHECK(Resolve("both.default.svc.cluster.local", kA) == "both.default.svc.cluster.local 10.96.0.11");
  CHECK(Resolve("both.default.svc.cluster.local", kAaaa) == "both.default.svc.cluster.local fd00::11");
  CHECK(Resolve("_http._tcp.web.default.svc.cluster.local", kSrv) ==
        "_http._tcp.web.default.svc.cluster.local SRV 0 100 80 web.default.svc.cluster.local + "
        "web.default.svc.cluster.local 10.96.0.9");
  CHECK(Resolve("_http._udp.web.default.svc.cluster.local", kSrv) == "no name");
  CHECK(Resolve("_tcp.web.default.svc.cluster.local", kSrv) == "none");
  CHECK(Resolve("_sctp.web.default.svc.cluster.local", kSrv) == "no name");
  CHECK(Resolve("web.default.svc.cluster.local", kSrv) ==
        "web.default.svc.cluster.local SRV 0 100 80 web.default.svc.cluster.local, "
        "web.default.svc.cluster.local SRV 0 100 53 web.default.svc.cluster.local + web.default.svc.cluster.local "
        "10.96.0.9");
  CHECK(Resolve("web.shop.svc.cluster.local", kA) == "no name");
  CHECK(Resolve("gone.default.svc.cluster.local", kA) == "no name");
}

TEST_CASE("Headless Services") {
  CHECK(Resolve("db.default.svc.cluster.local", kA) ==
        "db.default.svc.cluster.local 10.244.0.5, db.default.svc.cluster.local 10.244.0.6");
  CHECK(Resolve("db-0.db.default.svc.cluster.local", kA) == "db-0.db.default.svc.cluster.local 10.244.0.5");
  CHECK(Resolve("db-0.db.default.svc.cluster.local", kAaaa) == "none");
  CHECK(Resolve("10-244-0-6.db.default.svc.cluster.local", kA) == "10-244-0-6.db.default.svc.cluster.local 10.244.0.6");
  CHECK(Resolve("db-2.db.default.svc.cluster.local", kA) == "no name");  // not ready
  CHECK(Resolve("_sql._tcp.db.default.svc.cluster.local", kSrv) ==
        "_sql._tcp.db.default.svc.cluster.local SRV 0 50 15432 db-0.db.default.svc.cluster.local, "
        "_sql._tcp.db.default.svc.cluster.local SRV 0 50 15432 10-244-0-6.db.default.svc.cluster.local + "
        "db-0.db.default.svc.cluster.local 10.244.0.5 + 10-244-0-6.db.default.svc.cluster.local 10.244.0.6");
  CHECK(Resolve("empty.default.svc.cluster.local", kA) == "no name");
}

TEST_CASE("Names that are other names") {
  CHECK(Resolve("out.default.svc.cluster.local", kA) ==
        "out.default.svc.cluster.local 5 www.example.org = www.example.org");
  CHECK(Resolve("out.default.svc.cluster.local", kCname) == "out.default.svc.cluster.local 5 www.example.org");
}

TEST_CASE("Addresses' names") {
  CHECK(Resolve("9.0.96.10.in-addr.arpa", kPtr) == "9.0.96.10.in-addr.arpa 12 web.default.svc.cluster.local");
  CHECK(Resolve("5.0.244.10.in-addr.arpa", kPtr) == "5.0.244.10.in-addr.arpa 12 db-0.db.default.svc.cluster.local");
  CHECK(Resolve("6.0.244.10.in-addr.arpa", kPtr) ==
        "6.0.244.10.in-addr.arpa 12 10-244-0-6.db.default.svc.cluster.local");
  CHECK(Resolve("9.0.96.10.in-addr.arpa", kA) == "none");
  CHECK(Resolve("1.1.1.1.in-addr.arpa", kPtr) == "others'");
  CHECK(Resolve("x.1.1.1.in-addr.arpa", kPtr) == "others'");
  CHECK(Resolve("1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", kPtr) ==
        "1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa 12 both.default.svc.cluster.local");
}

TEST_CASE("The zone itself, what is between names, and pods by address") {
  CHECK(Resolve("cluster.local", kSoa) == "cluster.local 6 ns.dns.cluster.local");
  CHECK(Resolve("cluster.local", kNs) == "cluster.local 2 ns.dns.cluster.local + ns.dns.cluster.local 10.96.0.10");
  CHECK(Resolve("cluster.local", kA) == "none");
  CHECK(Resolve("ns.dns.cluster.local", kA) == "ns.dns.cluster.local 10.96.0.10");
  CHECK(Resolve("dns-version.cluster.local", kTxt) == "dns-version.cluster.local TXT 1.1.0");
  for (const char* between : {"svc", "default.svc", "pod", "shop.pod"}) {
    CHECK(Resolve(fmt::format("{}.cluster.local", between), kA) == "none");
  }
  for (const char* nothing : {"gone.svc", "gone.pod", "x", "a.b.c.d.e.default.svc", "www.example.org.default.svc"}) {
    CHECK(Resolve(fmt::format("{}.cluster.local", nothing), kA) == "no name");
  }
  CHECK(Resolve("10-244-0-5.shop.pod.cluster.local", kA) == "10-244-0-5.shop.pod.cluster.local 10.244.0.5");
  CHECK(Resolve("10-244-0-5.shop.pod.cluster.local", kAaaa) == "none");
  CHECK(Resolve("x-1.shop.pod.cluster.local", kA) == "no name");
  CHECK(Resolve("example.org", kA) == "others'");
  CHECK(Resolve("notcluster.local", kA) == "others'");
}

}  // namespace minikube::network::dns
