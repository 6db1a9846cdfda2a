// A server on Qt's QTcpServer, with slots for newConnection and readyRead.
#include <QCoreApplication>
#include <QTcpServer>
#include <QTcpSocket>

#include <cstdio>

static void tell(QTcpSocket *socket)
{
    socket->write("Fortune cookie!\n");
    socket->disconnectFromHost();
}

static void echo(QTcpSocket *socket)
{
    QObject::connect(socket, &QTcpSocket::readyRead, socket, [socket] { socket->write(socket->readAll()); });
}

int main(int count, char **words)
{
    QCoreApplication application(count, words);
    const QStringList arguments = application.arguments();
    if (arguments.size() < 4) {
        std::fprintf(stderr, "usage: %s fortune|echo PORT BUFFER\n", words[0]);
        return 2;
    }
    const bool fortune = arguments[1] == "fortune";
    QTcpServer server;
    server.setListenBacklogSize(4096);
    QObject::connect(&server, &QTcpServer::newConnection, &server, [&server, fortune] {
        while (QTcpSocket *socket = server.nextPendingConnection()) {
            QObject::connect(socket, &QTcpSocket::disconnected, socket, &QTcpSocket::deleteLater);
            fortune ? tell(socket) : echo(socket);
        }
    });
    if (!server.listen(QHostAddress::LocalHost, arguments[2].toUShort())) {
        std::fprintf(stderr, "%s\n", qPrintable(server.errorString()));
        return 1;
    }
    std::puts("ready");
    std::fflush(stdout);
    return application.exec();
}
