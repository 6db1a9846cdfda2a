// A server on Boost.Asio: async_accept, and a shared session for each connection.
#include <boost/asio.hpp>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

static const std::string fortune = "Fortune cookie!\n";

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(tcp::socket socket, std::size_t buffer) : socket_(std::move(socket)), bytes_(buffer) {}

    void tell()
    {
        asio::async_write(socket_, asio::buffer(fortune), [self = shared_from_this()](error_code, std::size_t) {});
    }

    void echo()
    {
        error_code ignored;
        socket_.set_option(tcp::no_delay(true), ignored);
        read();
    }

private:
    void read()
    {
        auto done = [this, self = shared_from_this()](error_code error, std::size_t length) {
            if (!error)
                write(length);
        };
        socket_.async_read_some(asio::buffer(bytes_), std::move(done));
    }

    void write(std::size_t length)
    {
        auto done = [this, self = shared_from_this()](error_code error, std::size_t) {
            if (!error)
                read();
        };
        asio::async_write(socket_, asio::buffer(bytes_, length), std::move(done));
    }

    tcp::socket socket_;
    std::vector<char> bytes_;
};

class Server {
public:
    Server(asio::io_context &context, bool tells, unsigned short port, std::size_t buffer)
        : acceptor_(context), tells_(tells), buffer_(buffer)
    {
        acceptor_.open(tcp::v4());
        acceptor_.set_option(tcp::acceptor::reuse_address(true));
        acceptor_.bind({ asio::ip::address_v4::loopback(), port });
        acceptor_.listen(4096);
        accept();
    }

private:
    void accept()
    {
        acceptor_.async_accept([this](error_code error, tcp::socket socket) {
            if (!error) {
                // An echo needs a buffer, a fortune none.
                auto session = std::make_shared<Session>(std::move(socket), tells_ ? 0 : buffer_);
                tells_ ? session->tell() : session->echo();
            }
            accept();
        });
    }

    tcp::acceptor acceptor_;
    bool tells_;
    std::size_t buffer_;
};

int main(int count, char **words)
try {
    if (count < 4) {
        std::cerr << "usage: " << words[0] << " fortune|echo PORT BUFFER [WORKERS]\n";
        return 2;
    }
    const int workers = count > 4 ? std::stoi(words[4]) : 1;
    const auto port = static_cast<unsigned short>(std::stoul(words[2]));
    asio::io_context context(workers);
    Server server(context, std::string(words[1]) == "fortune", port, std::stoul(words[3]));
    std::cout << "ready" << std::endl;
    std::vector<std::thread> threads;
    for (int number = 1; number < workers; number++)
        threads.emplace_back([&context] { context.run(); });
    context.run();
    for (std::thread &thread : threads)
        thread.join();
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
