import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Starts a main class of Twister2 0.3.0 where Kubernetes is newer than 1.15 and objects are named as Twister2 0.8.0
 * names them.
 *
 * <p>An exception that nobody catches ends the process with exit code 1, as in 0.8.0; by itself a worker of 0.3.0 would
 * live on in a thread that pings the job master. One exception ends nothing: see restartReader.
 *
 * <p>For the job master there is a proxy on the loopback device: it speaks to the API server with the pod's token, and
 * takes requests of the long removed apps/v1beta2 to apps/v1.
 */
public final class Adapter {
  private static final Path ACCOUNT = Path.of("/var/run/secrets/kubernetes.io/serviceaccount");
  private static final int PORT = 8001; // As in the file kubeconfig.

  private Adapter() { }

  public static void main(String[] arguments) throws Exception {
    Thread.setDefaultUncaughtExceptionHandler(Adapter::end);
    if (arguments[0].endsWith(".JobMasterStarter")) {
      Thread starter = new Thread(Adapter::startProxy);
      starter.setDaemon(true); // And so are its children: the proxy must not outlive the job master.
      starter.start();
      starter.join();
    }
    Method main = Class.forName(arguments[0]).getMethod("main", String[].class);
    call(() -> main.invoke(null, (Object) new String[0]));
  }

  private static void end(Thread thread, Throwable failure) {
    StackTraceElement[] trace = failure.getStackTrace();
    if (failure instanceof NullPointerException && trace.length > 0 && trace[0].getMethodName().equals("onMessage")
        && trace[0].getClassName().equals("edu.iu.dsc.tws.master.worker.Pinger")) {
      restartReader();
      return;
    }
    System.err.print("Exception in thread \"" + thread.getName() + "\" "); // As without this handler.
    failure.printStackTrace();
    System.exit(1);
  }

  /**
   * Starts the thread anew that reads what the job master sends, after a race of 0.3.0: the reply to a worker's first ping
   * may be there before the worker's main thread has noted the ping's ID, and the reader fails on the missing ID. It has
   * read the whole reply by then, so another can take its place.
   *
   * <p>The main thread then notes that a reply is pending, which there never will be. When the next ping is due, after 30 s
   * by default, the reader would wait for it in a busy loop and read nothing more; so that note is taken back.
   */
  private static void restartReader() {
    System.err.println("Adapter: the reply to the first ping came before its ID was noted; reading on.");
    try {
      Object agent = Class.forName("edu.iu.dsc.tws.master.worker.JMWorkerAgent").getMethod("getJMWorkerAgent").invoke(null);
      Object pinger = field(agent, "pinger").get(agent);
      Field pending = field(pinger, "pendingResponse");
      Method loop = agent.getClass().getDeclaredMethod("startLooping");
      loop.setAccessible(true);
      new Thread(() -> call(() -> loop.invoke(agent)), "JM Agent").start();
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      while (!pending.getBoolean(pinger) && System.nanoTime() < end) {
        Thread.sleep(10);
      }
      pending.set(pinger, false);
    } catch (ReflectiveOperationException | InterruptedException failure) {
      end(Thread.currentThread(), failure);
    }
  }

  private static Field field(Object owner, String name) throws NoSuchFieldException {
    Field field = owner.getClass().getDeclaredField(name);
    field.setAccessible(true);
    return field;
  }

  /** Calls a method by reflection; what that throws ends the process, as if it had been called without. */
  private static void call(Callable<Object> called) {
    try {
      called.call();
    } catch (InvocationTargetException failure) {
      end(Thread.currentThread(), failure.getCause());
    } catch (Exception failure) {
      end(Thread.currentThread(), failure);
    }
  }

  private static void startProxy() {
    try {
      HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).sslContext(trust()).build();
      HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), PORT), 0);
      server.createContext("/", exchange -> forward(client, exchange));
      server.start();
    } catch (Exception failure) {
      throw new IllegalStateException("The proxy to the API server doesn't start.", failure);
    }
  }

  /** Returns what makes a client trust the API server alone. */
  private static SSLContext trust() throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream certificate = Files.newInputStream(ACCOUNT.resolve("ca.crt"))) {
      store.setCertificateEntry("api", CertificateFactory.getInstance("X.509").generateCertificate(certificate));
    }
    TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, factory.getTrustManagers(), null);
    return context;
  }

  /** Takes a path of 0.3.0 to that of the object that 0.8.0, and so the chart, has in its place. */
  private static String translate(String method, String path) {
    String translated = path.replace("/apis/apps/v1beta2/", "/apis/apps/v1/")
        .replace("/services/t2-srv-", "/services/")
        .replace("/persistentvolumeclaims/twister2-storage-", "/persistentvolumeclaims/");
    // A driver scales, and that is all that is ever patched: 0.8.0 does it by the right to scale alone.
    return method.equals("PATCH") ? translated.replaceFirst("(/statefulsets/[^/?]+)", "$1/scale") : translated;
  }

  private static void forward(HttpClient client, HttpExchange exchange) throws IOException {
    String host = System.getenv("KUBERNETES_SERVICE_HOST");
    String api = (host.contains(":") ? "[" + host + "]" : host) + ":" + System.getenv("KUBERNETES_SERVICE_PORT");
    HttpRequest.Builder request = HttpRequest.newBuilder(
            URI.create("https://" + api + translate(exchange.getRequestMethod(), exchange.getRequestURI().toString())))
        .method(exchange.getRequestMethod(),
            HttpRequest.BodyPublishers.ofByteArray(exchange.getRequestBody().readAllBytes()))
        .header("Authorization", "Bearer " + Files.readString(ACCOUNT.resolve("token")).trim());
    for (String name : new String[] {"Accept", "Content-Type"}) {
      if (exchange.getRequestHeaders().getFirst(name) != null) {
        request.header(name, exchange.getRequestHeaders().getFirst(name));
      }
    }
    try {
      HttpResponse<byte[]> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
      exchange.getResponseHeaders().set("Content-Type",
          answer.headers().firstValue("Content-Type").orElse("application/json"));
      exchange.sendResponseHeaders(answer.statusCode(), answer.body().length == 0 ? -1 : answer.body().length);
      exchange.getResponseBody().write(answer.body());
    } catch (InterruptedException failure) {
      throw new IOException(failure);
    } finally {
      exchange.close();
    }
  }
}
