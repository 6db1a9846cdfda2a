// A server on Go's package net: a goroutine for each connection.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 {
		log.Fatalf("usage: %s fortune|echo PORT BUFFER [WORKERS]", os.Args[0])
	}
	fortune := os.Args[1] == "fortune"
	buffer := number(os.Args[3])
	workers := 1
	if len(os.Args) > 4 {
		workers = number(os.Args[4])
	}
	runtime.GOMAXPROCS(workers)
	// Its backlog is what the system allows.
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Print(err)
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if fortune {
			go tell(connection)
		} else {
			go echo(connection, buffer)
		}
	}
}

func number(word string) int {
	value, err := strconv.Atoi(word)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func tell(connection net.Conn) {
	defer connection.Close()
	connection.Write([]byte("Fortune cookie!\n"))
}

// TCP_NODELAY is Go's default.
func echo(connection net.Conn, buffer int) {
	defer connection.Close()
	bytes := make([]byte, buffer)
	for {
		length, err := connection.Read(bytes)
		if err != nil {
			return
		}
		if _, err := connection.Write(bytes[:length]); err != nil {
			return
		}
	}
}
