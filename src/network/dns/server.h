// DnsServer: answers questions by datagrams (RFC 1035 section 4.2.1) and connections (RFC 7766) at one port: the
// cluster's names itself, those of others by asking Upstream.
//
// Thread safety: everything on the strand given at construction. Lifetime: zone, upstream, env and strand outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <minikube/env.h>

#include "network/dns/sockets.h"
#include "network/dns/upstream.h"
#include "network/dns/zone.h"

namespace minikube::network::dns {

// What the bytes of a question deserve. `reply` is called with an answer of at most `limit` bytes (the asker's own
// limit, of a datagram, if it says one and that is lower), or with nothing if none is due. `ready` false: the cluster's
// names are not known yet.
class Responder {
 public:
  using Reply = Function<void(std::string)>;
  Responder(const Zone& zone, Upstream& upstream, Env& env) : zone_(zone), upstream_(upstream), env_(env) {}
  void Respond(std::string_view bytes, Transport transport, bool ready, Reply reply);

 private:
  struct Asked;
  void Resolve(const std::shared_ptr<Asked>& asked, Question question, int aliases);
  void Finish(Asked& asked);

  const Zone& zone_;
  Upstream& upstream_;
  Env& env_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

struct DnsServerOptions {
  std::size_t max_connections = 256;
  Duration idle_timeout = std::chrono::seconds(10);  // of a connection
};

class DnsServer {
 public:
  // Takes the listeners over. `ready` is asked for each question.
  DnsServer(DnsServerOptions options, Listeners listeners, Responder& responder, std::function<bool()> ready, Env& env,
            Strand& strand);
  ~DnsServer();
  void Start();

 private:
  struct Connection;
  void AwaitDatagrams();
  void DatagramsCame();
  void AwaitConnections();
  void ConnectionsCame();
  void Read(const std::shared_ptr<Connection>& connection);
  void Serve(const std::shared_ptr<Connection>& connection);
  void Write(const std::shared_ptr<Connection>& connection);
  void Touch(const std::shared_ptr<Connection>& connection);
  void Close(Connection& connection);

  const DnsServerOptions options_;
  Listeners listeners_;
  Responder& responder_;
  const std::function<bool()> ready_;
  Env& env_;
  Strand& strand_;
  std::uint64_t datagram_watch_ = 0;
  std::uint64_t stream_watch_ = 0;
  std::map<Connection*, std::shared_ptr<Connection>> connections_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace minikube::network::dns
