// Many HTTPS connections in one thread, cheap enough that the server is what is measured: watches whose events are
// counted, and writers that each send the next write when the last one was answered.
//
// Nothing of the project is in it, so that what is compared (an older build, kube-apiserver) sees the same client.
// Thread safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <openssl/ssl.h>

namespace minikube::bench {

// CLOCK_MONOTONIC, which all processes of a machine share.
std::int64_t NowNanos();

// One connection: sends text, and hands on what it is sent.
class Connection {
 public:
  // Connects, blocking; `epoll` then reports `owner` whenever there is something to receive. Ends the program with a
  // message if it cannot, as all errors here do.
  Connection(const sockaddr_in& to, SSL_CTX* tls, int epoll, void* owner);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Send(std::string_view text);
  // Calls `received` for each piece that is there; false at the end of the connection.
  bool Receive(const std::function<void(std::string_view)>& received);

 private:
  int socket_ = -1;
  SSL* tls_ = nullptr;
};

struct WatchFigures {
  double seconds = 0;
  double writes = 0;
  double events = 0;
  std::vector<float> lag_micros;  // from sending a write to its event, at every one of a few watches
  std::size_t ended = 0;          // watches that the server ended
};

// A server, and what is asked of it. Objects are ConfigMaps of the namespace `default`, of about 1 KB as JSON.
class WatchLoad {
 public:
  // `url` is https://ADDRESS:PORT.
  WatchLoad(const std::string& url, std::string token);
  ~WatchLoad();

  // Opens watches until there are `count`; returns once each has been answered.
  void Watch(std::size_t count);
  // Lets `writers` connections write for that long, at most `rate` writes a second altogether (0: as many as they can).
  WatchFigures Run(std::size_t writers, double seconds, double rate);

 private:
  struct Watcher;
  struct Writer;
  struct Endpoint;
  void Poll(int milliseconds);
  std::string Call(std::string_view method, std::string_view path, std::string_view body);
  void WriteNext(Writer& writer);

  sockaddr_in address_{};
  std::string host_;
  const std::string token_;
  SSL_CTX* tls_ = nullptr;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::uint64_t events_ = 0;
  std::uint64_t writes_ = 0;
  std::size_t ended_ = 0;
  bool writing_ = false;
  std::vector<float> lag_micros_;
};

}  // namespace minikube::bench
