#include "http/upgraded.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace minikube {

namespace asio = boost::asio;
using asio::ip::tcp;

void NoticeBreak(tcp::socket::lowest_layer_type& socket, const Upgraded::Owner& owner) {
  socket.async_wait(tcp::socket::wait_error, [keep = owner.keep(), over = owner.over](boost::system::error_code ec) {
    if (!ec) over();
  });
}

void KeepAlive(tcp::socket::lowest_layer_type& socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>(30), ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>(10), ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>(3), ignored);
}

}  // namespace minikube
