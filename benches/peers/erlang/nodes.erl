%% One node of a cluster: does what its standard input says, says what it sees, and is gone with its
%% standard input. The words are those of src/nodes/crew.rs.
-module(nodes).
-export([start/1]).

-define(NAME, archipelago_peers).
-define(PAUSE, 10).

%% erl -noshell -sname n1@localhost -run nodes start n0@localhost
start([Seed]) ->
    Self = self(),
    spawn_link(fun() -> read(Self) end),
    io:format("up~n"),
    loop(list_to_atom(Seed), 0, idle, ?PAUSE).

read(To) ->
    case io:get_line("") of
        Line when is_list(Line) -> To ! {line, string:trim(Line)}, read(To);
        _ -> halt(0)
    end.

loop(Seed, Seen, Name, Pause) ->
    receive
        {line, "go"} ->
            spawn(fun() -> net_kernel:connect_node(Seed) end),
            loop(Seed, Seen, Name, Pause);
        {line, "look"} -> loop(Seed, Seen, Name, ?PAUSE);
        {line, "rest"} -> loop(Seed, Seen, Name, infinity);
        {line, "register"} ->
            spawn(fun() ->
                yes = global:register_name(?NAME, self()),
                receive never -> ok end
            end),
            loop(Seed, Seen, Name, Pause);
        {line, "find"} -> loop(Seed, Seen, wanted, ?PAUSE)
    after Pause ->
        Now = length(nodes()),
        [io:format("sees ~b~n", [Now]) || Now =/= Seen],
        loop(Seed, Now, found(Name), Pause)
    end.

found(wanted) ->
    case global:whereis_name(?NAME) of
        undefined -> wanted;
        _ -> io:format("found~n"), found
    end;
found(Name) -> Name.
