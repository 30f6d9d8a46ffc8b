#!/usr/bin/perl
use strict;
use warnings;
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 16)
    or die "cannot listen at port $ENV{PORT}: $!\n";
while (1) {
    my $client = $server->accept or next;
    while (my $line = <$client>) { last if $line =~ /^\r?$/ }
    # Who closes first is who has to remember the connection. With TCP_CORK the answer and our end go out
    # together, so that is always us.
    $client->setsockopt(Socket::IPPROTO_TCP, 3, 1);
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    close $client;
}
